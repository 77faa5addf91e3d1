"""vLLM's pooling. Each input of a request is a task of its own; the engine batches them with those of others."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from ..contract.pooling import Pool, cosines
from ..errors import BadRequest, translate_refusal
from .adapters import Adapters
from .interface import Result
from .vllm_lora import lora_request

if TYPE_CHECKING:
    from vllm.inputs.engine import TokensInput
    from vllm.lora.request import LoRARequest
    from vllm.v1.engine.async_llm import AsyncLLM


class Pair(NamedTuple):
    """A query with its document as one prompt. `document` is where that begins; None for a model that need not know."""

    token_ids: list[int]
    document: int | None


Input = str | list[int] | Pair


class Pooled(NamedTuple):
    """The result of one input: its vector, (width,), and how many tokens it had."""

    vector: NDArray[np.float32]
    prompt_tokens: int


class Pooling:
    """The pooling tasks of one engine."""

    def __init__(
        self, llm: AsyncLLM, tasks: Sequence[str], adapters: Adapters, count_step: Callable[[], object]
    ) -> None:
        self._llm = llm
        self._tasks = frozenset(tasks)
        # Each output is a sign of life, for the diagnosis.
        self._count_step = count_step
        self._adapters = adapters
        self._pairs = Pairs(llm)

    async def pool(self, request: Pool) -> Result:
        """The rows, in the order of the inputs. The first input that fails ends the others, and its error is raised."""
        if request.task not in self._tasks:
            raise BadRequest(f"this model does not {request.task}; it can {', '.join(sorted(self._tasks))}", param="op")
        if request.task != "score":
            return _result(await self._all(request, request.task, request.inputs))
        query, documents = request.query or "", [str(text) for text in request.inputs]
        if "classify" in self._tasks:
            return _result(await self._all(request, "classify", await self._pairs.join(query, documents)))
        pooled = await self._all(request, "embed", [query, *documents])
        rows = cosines(pooled[0].vector, np.stack([each.vector for each in pooled[1:]]))
        return Result(_value(pooled, rows), rows)

    async def _all(self, request: Pool, task: str, inputs: Sequence[Input]) -> list[Pooled]:
        lora = None if request.lora is None else lora_request(self._adapters.get(request.lora))
        dimensions = self._dimensions(request.dimensions, task)
        async with _first_failure_alone(), asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(self._one(f"{request.rid}-{index}", request, task, each, dimensions, lora))
                for index, each in enumerate(inputs)
            ]
        return [each.result() for each in tasks]

    def _dimensions(self, requested: int | None, task: str) -> int | None:
        """The width to ask the engine for; None for all. Raises BadRequest where the vectors can't be cut to it."""
        from vllm.pooling_params import PoolingParams

        config = self._llm.model_config
        # Any model can give its vectors whole.
        if requested is None or (requested == config.embedding_size and not config.is_matryoshka):
            return None
        try:
            PoolingParams(task=task, dimensions=requested).verify(config)
        except Exception as exception:
            failure = translate_refusal(exception)
            if isinstance(failure, BadRequest):
                failure.param = "dimensions"
            raise failure from exception
        return requested

    async def _one(
        self, rid: str, request: Pool, task: str, each: Input, dimensions: int | None, lora: LoRARequest | None
    ) -> Pooled:
        from vllm.pooling_params import PoolingParams

        extra: dict[str, Any] | None = None
        if isinstance(each, Pair):
            extra = None if each.document is None else {"compressed_token_type_ids": each.document}
            each = each.token_ids
        prompt = await self._render(each)
        params = PoolingParams(task=task, dimensions=dimensions, use_activation=request.normalize, extra_kwargs=extra)
        # The first output is the last. Closed here, so that vLLM aborts at once when the task is cancelled.
        async with aclosing(self._llm.encode(prompt, params, rid, lora_request=lora)) as outputs:
            output = await anext(outputs)
        self._count_step()
        return Pooled(output.outputs.data.float().numpy().reshape(-1), len(output.prompt_token_ids))

    async def _render(self, each: str | list[int]) -> TokensInput:
        from vllm.renderers import TokenizeParams

        config = self._llm.model_config
        written = {"prompt": each} if isinstance(each, str) else {"prompt_token_ids": each}
        params = TokenizeParams(
            max_total_tokens=config.max_model_len,
            add_special_tokens=True,
            do_lower_case=(config.encoder_config or {}).get("do_lower_case", False),
        )
        (rendered,) = await self._llm.renderer.render_cmpl_async([written], params)
        return rendered


class Pairs:
    """Joins a query and each of its documents to one prompt, as the model's tokenizer does it; not on the event loop."""

    def __init__(self, llm: AsyncLLM) -> None:
        self._llm = llm
        # A copy, used by one thread at a time: vLLM's own threads change theirs while they work.
        self._tokenizer: Any = None
        self._busy = asyncio.Lock()

    async def join(self, query: str, documents: Sequence[str]) -> list[Pair]:
        async with self._busy:
            return await asyncio.to_thread(self._join, query, documents)

    def _join(self, query: str, documents: Sequence[str]) -> list[Pair]:
        if self._tokenizer is None:
            self._tokenizer = copy.deepcopy(self._llm.renderer.get_tokenizer())
        encoded = self._tokenizer(text=[query] * len(documents), text_pair=list(documents))
        types = encoded.get("token_type_ids") or [None] * len(documents)
        return [Pair(ids, _place(marks)) for ids, marks in zip(encoded["input_ids"], types, strict=True)]


def _place(marks: Sequence[int] | None) -> int | None:
    """The place of the first token that is marked as the document's; None where no tokens are marked."""
    if marks is None:
        return None
    return marks.index(1) if 1 in marks else len(marks)


def _result(pooled: Sequence[Pooled]) -> Result:
    rows = np.ascontiguousarray(np.stack([each.vector for each in pooled]), dtype=np.float32)
    return Result(_value(pooled, rows), rows)


def _value(pooled: Sequence[Pooled], rows: NDArray[np.float32]) -> Mapping[str, Any]:
    return {"shape": list(rows.shape), "prompt_tokens": sum(each.prompt_tokens for each in pooled)}


class _first_failure_alone:
    """A group of tasks fails with a group of exceptions; this raises the first of them, which becomes the client's error."""

    async def __aenter__(self) -> None: ...

    async def __aexit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, ExceptionGroup):
            raise cast("ExceptionGroup[Exception]", error).exceptions[0] from None
