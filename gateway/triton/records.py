"""Records of the contract (`docs/contract.md`) to values. What a backend sends is not trusted to be well-formed.

A record is a list that starts `[rid, kind, choice, …]`. Its head is read by the names RID, KIND and CHOICE, the rest is
unpacked into names: a value of its own for each record would cost more than all that is done with it.
"""

from __future__ import annotations

import logging
from typing import Any, Final, NamedTuple, Protocol, cast

import orjson

from gateway.errors import BadRequest, GatewayError, InternalError, NotFound
from gateway.generation import (
    Accepted,
    Backpressure,
    Delta,
    End,
    GenerationOutput,
    ParsedDelta,
    PromptLogprobs,
    TokenLogprob,
    ToolCallDelta,
    Usage,
)
from gateway.triton import status
from gateway.triton.protocol import decode_bytes
from gateway.triton.tensors import RECORDS, output_bytes

log = logging.getLogger(__name__)

RID: Final = 0
KIND: Final = 1
CHOICE: Final = 2
# Of a `delta`, which is read for each token:
_TEXT: Final = 3
_TOKEN_COUNT: Final = 4
_EXTRA: Final = 5

_FINISH_REASONS: Final = frozenset({"stop", "length", "tool_calls", "content_filter"})

_MALFORMED: Final = (AttributeError, IndexError, KeyError, TypeError, ValueError)
"""What reading a record raises that has another shape than the contract says."""


def read_records(response: Any) -> list[list[Any]]:
    """The records of one ModelInferResponse. Raises InternalError when they can't be read."""
    try:
        raw = output_bytes(response, RECORDS)
        if raw is None:
            return []  # Triton's own empty final response
        records: Any = orjson.loads(decode_bytes(raw))
        if type(records) is not list:
            raise TypeError("records are an array")
        written = cast("list[list[Any]]", records)
        if written and ({*map(type, written)} != {list} or min(map(len, written)) < 3):
            raise ValueError("a record is an array of at least three elements")
    except (TypeError, ValueError) as error:
        log.error("unreadable records from %s: %s", response.model_name, error)
        raise InternalError from error
    return written


def is_plain_delta(record: list[Any]) -> bool:
    """Whether it is a well-formed `delta` with nothing but a text, as nearly all records are. (Whether there is such a
    choice has to be seen elsewhere.)"""
    return (
        len(record) == 6
        and record[KIND] == "delta"
        and record[_EXTRA] is None
        and type(record[_TEXT]) is str
        and type(record[CHOICE]) is int
        and type(record[_TOKEN_COUNT]) is int
        and record[_TOKEN_COUNT] >= 0
    )


class RecordSink(Protocol):
    """Where the records of one request go. `choices` is how many it has; the methods are those of `OutputSink`, for what
    has not been read yet and for what need not be."""

    @property
    def choices(self) -> int: ...
    def take(self, records: list[list[Any]]) -> Backpressure: ...
    def take_text(self, choice: int, text: str, token_count: int) -> Backpressure: ...


def hand_on(records: list[list[Any]], sink: RecordSink) -> Backpressure:
    """Give the records to `sink`; a plain delta that comes alone, as a text."""
    if len(records) == 1 and is_plain_delta(records[0]):
        _, _, choice, text, token_count, _ = records[0]
        if 0 <= choice < sink.choices:
            return sink.take_text(choice, text, token_count)
    return sink.take(records)


class Outputs(NamedTuple):
    """What the records of one message stand for: outputs, then possibly the error that ended the request."""

    outputs: list[GenerationOutput]
    error: GatewayError | None


def to_outputs(records: list[list[Any]], choices: int) -> Outputs:
    """Read the records of a `generate` that asked for so many choices.

    A record that does not follow the contract is an InternalError in the result: what is checked here, nothing that comes
    later has to doubt.
    """
    outputs: list[GenerationOutput] = []
    try:
        for record in records:
            kind = record[KIND]
            if kind == "delta":
                _, _, index, text, token_count, extra = record
                if type(text) is not str or type(index) is not int or not 0 <= index < choices:
                    raise TypeError("a delta has a text and the index of a choice")
                count = _count(token_count)
                outputs.append(
                    Delta(index, text, count, None) if extra is None else _with_extra(index, text, count, extra)
                )
            elif kind == "end":
                outputs.append(_end(record, choices))
            elif kind == "accepted":
                _, _, _, queued = record
                outputs.append(Accepted(_count(queued["prompt_tokens"])))
            elif kind == "error":
                return Outputs(outputs, to_error(record))
            elif kind == "prompt":
                _, _, _, prompt = record
                outputs.append(PromptLogprobs(0, tuple(map(_prompt_token, prompt["logprobs"]))))
            else:
                raise ValueError("a record of a kind that generate does not have")
    except _MALFORMED as error:
        log.error("a record does not follow the contract: %s", error)
        return Outputs(outputs, InternalError())
    return Outputs(outputs, None)


def _end(record: list[Any], choices: int) -> End:
    _, _, index, finish_reason, stop_reason, usage = record
    if type(index) is not int or not 0 <= index < choices:
        raise TypeError("an end has the index of a choice")
    if finish_reason not in _FINISH_REASONS:
        raise ValueError("an end has a known finish reason")
    if stop_reason is not None and type(stop_reason) not in (str, int):
        raise TypeError("a stop reason is a string or a token id")
    counts = None
    if usage is not None:
        cached, reasoning = usage.get("cached_tokens"), usage.get("reasoning_tokens")
        counts = Usage(
            _count(usage["prompt_tokens"]),
            _count(usage["completion_tokens"]),
            0 if cached is None else _count(cached),
            None if reasoning is None else _count(reasoning),
        )
    return End(index, finish_reason, stop_reason, counts)


def _count(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise TypeError("a count is a number from 0 on")
    return value


def _with_extra(index: int, text: str, count: int, extra: dict[str, Any]) -> Delta | ParsedDelta:
    logprobs, token_ids = _logprobs(extra), _token_ids(extra)
    reasoning, calls = extra.get("reasoning"), extra.get("tool_calls")
    if reasoning is None and calls is None:
        return Delta(index, text, count, logprobs, token_ids)
    if reasoning is not None and type(reasoning) is not str:
        raise TypeError("reasoning is a text")
    tool_calls = tuple(_tool_call(call) for call in calls or ())
    return ParsedDelta(index, text, count, logprobs, reasoning or "", tool_calls, token_ids)


def _token_ids(extra: dict[str, Any]) -> tuple[int, ...] | None:
    ids = extra.get("token_ids")
    if ids is None:
        return None
    return tuple(_count(token_id) for token_id in ids)


def _tool_call(call: dict[str, Any]) -> ToolCallDelta:
    if type(call["arguments"]) is not str:
        raise TypeError("the arguments of a tool call are a text")
    return ToolCallDelta(_count(call["index"]), _text(call["id"]), _text(call["name"]), call["arguments"])


def _logprobs(extra: dict[str, Any]) -> tuple[TokenLogprob, ...] | None:
    tokens = extra.get("logprobs")
    return None if tokens is None else tuple(map(_logprob, tokens))


def _prompt_token(token: list[Any] | None) -> TokenLogprob | None:
    return None if token is None else _logprob(token)


def _logprob(written: list[Any]) -> TokenLogprob:
    token_id, token, logprob, alternatives, *more = written
    rank = _count(more[0]) if more and more[0] is not None else None
    named = _token(token_id, token, logprob)
    return TokenLogprob(*named, tuple(_token(*alternative) for alternative in alternatives), rank)


def _token(token_id: Any, token: Any, logprob: Any) -> tuple[int, str, float]:
    if type(token_id) is not int or type(token) is not str or type(logprob) not in (float, int):
        raise TypeError("a log-probability has a token id, a text and a number")
    return token_id, token, float(logprob)


def to_error(record: list[Any]) -> GatewayError:
    """The error that an `error` record stands for. Only what concerns the request itself keeps its words."""
    try:
        _, _, _, kind, code, param, message = record
    except ValueError:
        log.error("an error record has %d elements", len(record))
        return InternalError()
    if kind in ("bad_request", "not_found"):
        refused = BadRequest if kind == "bad_request" else NotFound
        return refused(str(message), param=_text(param), code=_text(code))
    log.warning("the backend ended a request: %s: %s", kind, message)
    if kind == "overloaded":
        return status.overloaded()
    if kind in ("unavailable", "cancelled"):
        return status.unavailable()
    if kind == "timeout":
        return status.timed_out()
    return InternalError()


def _text(value: Any) -> str | None:
    """`param` and `code` are strings or null to the SDKs, whatever a backend makes of them."""
    return None if value is None else str(value)
