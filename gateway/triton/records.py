"""Records of the contract (`docs/contract.md`) to values. What a backend sends is not trusted to be well-formed."""

from __future__ import annotations

import logging
from typing import Any, Final, NamedTuple

import orjson

from gateway.errors import (
    BadRequest,
    GatewayError,
    InternalError,
    NotFound,
    Overloaded,
)
from gateway.generation import Accepted, Delta, End, GenerationOutput, TokenLogprob, Usage
from gateway.triton import status
from gateway.triton.protocol import decode_bytes
from gateway.triton.tensors import RECORDS, output_bytes

log = logging.getLogger(__name__)

_FINISH_REASONS: Final = frozenset({"stop", "length", "tool_calls", "content_filter"})


def read_records(response: Any) -> list[list[Any]]:
    """The records of one ModelInferResponse. Raises InternalError when they can't be read."""
    raw = output_bytes(response, RECORDS)
    if raw is None:
        return []  # Triton's own empty final response
    try:
        records = orjson.loads(decode_bytes(raw))
        if not all(isinstance(record, list) and len(record) >= 3 for record in records):  # pyright: ignore[reportUnknownArgumentType]
            raise ValueError("a record is a list of at least three elements")
    except (TypeError, ValueError) as error:
        log.error("unreadable records from %s: %s", response.model_name, error)
        raise InternalError from error
    return records


class Outputs(NamedTuple):
    """What the records of one message stand for: outputs, then possibly the error that ended the request."""

    outputs: list[GenerationOutput]
    error: GatewayError | None


def to_outputs(records: list[list[Any]]) -> Outputs:
    """Read the records of `generate`. A record that does not follow the contract is an InternalError in the result."""
    outputs: list[GenerationOutput] = []
    try:
        for record in records:
            kind = record[1]
            if kind == "delta":
                _, _, index, text, token_count, extra = record
                outputs.append(Delta(index, text, token_count, None if extra is None else _logprobs(extra)))
            elif kind == "end":
                outputs.append(_end(record))
            elif kind == "accepted":
                outputs.append(Accepted(record[3]["prompt_tokens"]))
            elif kind == "error":
                return Outputs(outputs, to_error(record))
            else:
                raise ValueError(f"unexpected record {kind!r}")
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        log.error("a record does not follow the contract: %s", error)
        return Outputs(outputs, InternalError())
    return Outputs(outputs, None)


def _end(record: list[Any]) -> End:
    _, _, index, finish_reason, stop_reason, usage = record
    if finish_reason not in _FINISH_REASONS:
        raise ValueError(f"unknown finish reason {finish_reason!r}")
    counts = None
    if usage is not None:
        counts = Usage(usage["prompt_tokens"], usage["completion_tokens"], usage.get("cached_tokens") or 0)
    return End(index, finish_reason, stop_reason, counts)


def _logprobs(extra: dict[str, Any]) -> tuple[TokenLogprob, ...] | None:
    tokens = extra.get("logprobs")
    if tokens is None:
        return None
    return tuple(
        TokenLogprob(token_id, token, logprob, tuple((i, text, value) for i, text, value in alternatives))
        for token_id, token, logprob, alternatives in tokens
    )


def to_error(record: list[Any]) -> GatewayError:
    """The error that an `error` record stands for. Only what concerns the request itself keeps its words."""
    _, _, _, kind, code, param, message = record
    if kind == "bad_request":
        return BadRequest(str(message), param=param, code=code)
    if kind == "not_found":
        return NotFound(str(message), param=param, code=code)
    log.warning("the backend ended a request: %s: %s", kind, message)
    if kind == "overloaded":
        return Overloaded("The model is overloaded with requests. Please try again shortly.", retry_after_s=1.0)
    if kind in ("unavailable", "cancelled"):
        return status.unavailable()
    if kind == "timeout":
        return status.timed_out()
    return InternalError()
