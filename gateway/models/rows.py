"""What the kinds of models have in common that make a row of numbers of each input."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass

from gateway.errors import ContextLengthExceeded
from gateway.models.served import PROBE_TEXT, ServedModel
from gateway.pooling import Op, PoolingRequest, Rows
from gateway.prompting.tokenizer import Tokenizer
from gateway.triton.client import TritonClient


@dataclass(frozen=True, slots=True)
class RowsModel(ServedModel):
    """A model that is asked by `pool`, for the `ops` that it has."""

    tokenizer: Tokenizer

    @property
    @abstractmethod
    def ops(self) -> frozenset[Op]:
        """What it can be asked for."""

    @property
    def abilities(self) -> frozenset[str]:
        return self.ops

    @abstractmethod
    async def pool(self, client: TritonClient, request: PoolingRequest, *, timeout_s: float) -> Rows:
        """Ask one Triton for a row each. Raises GatewayError."""

    def check(self, request: PoolingRequest) -> None:
        """Raises ContextLengthExceeded for an input that is longer than the model takes, and BadRequest for what it can't
        do."""
        if self.max_model_len and request.longest > self.max_model_len:
            raise ContextLengthExceeded(
                context_length=self.max_model_len, prompt_tokens=request.longest, max_tokens=None, param="input"
            )

    def check_rows(self, request: PoolingRequest, rows: Rows) -> None:
        """Raises GatewayError where the model has given something else than was asked for."""
        return

    async def probe(self, client: TritonClient, *, timeout_s: float) -> None:
        ids = await self.tokenizer.encode([PROBE_TEXT], add_special_tokens=True)
        await self.pool(client, PoolingRequest(self._probed_op, ids), timeout_s=timeout_s)

    @property
    def _probed_op(self) -> Op:
        if "embed" in self.ops:
            return "embed"
        return "moderate" if "moderate" in self.ops else "classify"

    @property
    def known_tokenizer(self) -> Tokenizer:
        return self.tokenizer
