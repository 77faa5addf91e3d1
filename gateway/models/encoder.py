"""What the kinds of PyTorch models have in common: token ids and a mask in, one row of numbers a text out."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.errors import not_taken
from gateway.models.rows import RowsModel
from gateway.pooling import PoolingRequest, Rows
from gateway.triton.client import TritonClient
from gateway.triton.encode import encode


@dataclass(frozen=True, slots=True)
class EncoderModel(RowsModel):
    """A TorchScript module in the `pytorch` backend. `max_tokens`: the longest input, 0 where its configuration says
    nothing; `max_batch_size`: inputs in one request of Triton's."""

    max_tokens: int
    max_batch_size: int

    @property
    def max_model_len(self) -> int:
        return self.max_tokens

    def check(self, request: PoolingRequest) -> None:
        if request.activation is not None:
            raise not_taken("use_activation", f"is not taken by `{self.name}`, whose rows are what it makes")
        RowsModel.check(self, request)

    async def pool(self, client: TritonClient, request: PoolingRequest, *, timeout_s: float) -> Rows:
        values = await encode(
            client,
            self.name,
            request.token_ids,
            max_batch_size=self.max_batch_size,
            max_tokens=self.max_tokens,
            timeout_s=timeout_s,
        )
        return Rows(values, request.tokens)
