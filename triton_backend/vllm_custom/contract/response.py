"""Engine outputs to records (pure).

The engine's own output objects are read where they are, through the two protocols below: vLLM's RequestOutput has this
shape, and so have the replay engine's values. Nothing is converted twice.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from ..errors import BackendError, Cancelled, Internal
from .lifecycle import Record
from .parsed import ParsedChoice, joined

# OpenAI's JSON has no infinities; vLLM's own server uses the same floor.
LOWEST_LOGPROB = -9999.0
FINISH_REASONS = frozenset({"stop", "length", "tool_calls"})

_encoder = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)


class TokenLogprob(Protocol):
    """One token's place in the distribution; vLLM calls it Logprob."""

    @property
    def logprob(self) -> float: ...
    @property
    def rank(self) -> int | None: ...
    @property
    def decoded_token(self) -> str | None: ...


class ChoiceOutput(Protocol):
    """New text of one choice; vLLM calls it CompletionOutput."""

    @property
    def index(self) -> int: ...
    @property
    def text(self) -> str: ...
    @property
    def token_ids(self) -> Sequence[int]: ...
    @property
    def logprobs(self) -> Sequence[Mapping[int, TokenLogprob]] | None: ...
    @property
    def cumulative_logprob(self) -> float | None: ...
    @property
    def finish_reason(self) -> str | None: ...
    @property
    def stop_reason(self) -> int | str | None: ...


class StepOutput(Protocol):
    """What one engine step brought for one request; vLLM calls it RequestOutput."""

    @property
    def outputs(self) -> Sequence[ChoiceOutput]: ...
    @property
    def finished(self) -> bool: ...
    @property
    def num_cached_tokens(self) -> int | None: ...


class Answer:
    """The records of one request: fed with outputs, it gives records and says when the last choice is complete."""

    __slots__ = (
        "_alternatives",
        "_completion_tokens",
        "_open",
        "_prompt_alternatives",
        "_prompt_tokens",
        "_reasoning_tokens",
        "_rid",
        "_token_ids",
    )

    def __init__(
        self,
        rid: str,
        *,
        choices: int,
        prompt_tokens: int,
        alternatives: int | None,
        token_ids: bool,
        prompt_alternatives: int | None = None,
    ) -> None:
        """`alternatives`: how many a token were asked for; None without logprobs, -1 for all that the engine gives."""
        self._rid = rid
        self._open = set(range(choices))
        self._prompt_tokens = prompt_tokens
        self._completion_tokens = 0
        self._reasoning_tokens: int | None = None
        self._alternatives = alternatives
        self._token_ids = token_ids
        self._prompt_alternatives = prompt_alternatives

    @property
    def complete(self) -> bool:
        return not self._open

    def read(self, output: StepOutput) -> list[Record]:
        """The records of one step. Raises a BackendError when the engine gave the request up."""
        records: list[Record] = []
        if self._prompt_alternatives is not None and (told := prompt_logprobs(output, self._prompt_alternatives)):
            records.append([self._rid, "prompt", None, {"logprobs": told}])
            self._prompt_alternatives = None
        for choice in output.outputs:
            if choice.index not in self._open:
                continue
            count = len(choice.token_ids)
            self._completion_tokens += count
            if count or choice.text:
                records.append([self._rid, "delta", choice.index, choice.text, count, self._extra(choice)])
            if choice.finish_reason is not None:
                records.append(self._end(choice, output))
        return records

    def _end(self, choice: ChoiceOutput, output: StepOutput) -> Record:
        if choice.finish_reason not in FINISH_REASONS:
            raise _given_up(choice.finish_reason)
        self._open.discard(choice.index)
        if isinstance(choice, ParsedChoice) and choice.reasoning_tokens is not None:
            self._reasoning_tokens = (self._reasoning_tokens or 0) + choice.reasoning_tokens
        usage = None if self._open else self._usage(output)
        return [self._rid, "end", choice.index, choice.finish_reason, choice.stop_reason, usage]

    def _usage(self, output: StepOutput) -> dict[str, int]:
        usage = {
            "prompt_tokens": self._prompt_tokens,
            "completion_tokens": self._completion_tokens,
            "cached_tokens": output.num_cached_tokens or 0,
        }
        return usage if self._reasoning_tokens is None else {**usage, "reasoning_tokens": self._reasoning_tokens}

    def _extra(self, choice: ChoiceOutput) -> dict[str, Any] | None:
        parsed = choice.parsed if isinstance(choice, ParsedChoice) else None
        if self._alternatives is None and not self._token_ids and not parsed:
            return None
        extra: dict[str, Any] = {**(parsed or {})}
        if self._alternatives is not None and choice.logprobs is not None:
            extra["logprobs"] = logprobs(choice.token_ids, choice.logprobs, self._alternatives)
        if self._token_ids:
            extra["token_ids"] = list(choice.token_ids)
        return extra or None


def _given_up(finish_reason: str | None) -> BackendError:
    if finish_reason == "abort":
        return Cancelled("the engine aborted the request")
    return Internal(f"the engine ended the request with finish_reason {finish_reason!r}")


def logprobs(
    token_ids: Sequence[int], positions: Sequence[Mapping[int, TokenLogprob]], alternatives: int
) -> list[list[Any]]:
    """The contract's `logprobs`: one element a token, with the most likely tokens after it."""
    return [
        [*_entry(token_id, position.get(token_id)), _most_likely(position, alternatives)]
        for token_id, position in zip(token_ids, positions, strict=False)
    ]


def prompt_logprobs(output: Any, alternatives: int) -> list[list[Any] | None] | None:
    """As `logprobs`, for the tokens of the prompt; the first has none. None as long as the engine has not said any."""
    ids: Sequence[int] | None = output.prompt_token_ids
    positions: Sequence[Mapping[int, TokenLogprob] | None] | None = output.prompt_logprobs
    if ids is None or positions is None:
        return None
    return [
        None if position is None else [*_entry(token_id, position.get(token_id)), _most_likely(position, alternatives)]
        for token_id, position in zip(ids, positions, strict=False)
    ]


def _entry(token_id: int, found: TokenLogprob | None) -> list[Any]:
    if found is None:
        return [token_id, "", LOWEST_LOGPROB]
    # The comparison is written so that NaN fails it.
    value = found.logprob if found.logprob >= LOWEST_LOGPROB else LOWEST_LOGPROB
    return [token_id, found.decoded_token or "", value]


def _most_likely(position: Mapping[int, TokenLogprob], count: int) -> list[list[Any]]:
    # The sampled token stands in the mapping too, whatever its rank: by rank, it counts only where it belongs.
    ranked = [(token.rank or 0, token_id, token) for token_id, token in position.items()]
    ranked.sort(key=lambda entry: entry[0])
    return [_entry(token_id, token) for rank, token_id, token in ranked if count < 0 or rank <= count]


def accepted(rid: str, prompt_tokens: int) -> Record:
    return [rid, "accepted", None, {"prompt_tokens": prompt_tokens}]


def result(rid: str, value: Mapping[str, Any]) -> Record:
    return [rid, "result", None, value]


def part(rid: str, name: str, offset: int, size: int) -> Record:
    return [rid, "part", None, name, offset, size]


def frame(sid: str, seq: int) -> Record:
    """The first record of each response of a session."""
    return [sid, "frame", None, seq]


def session(sid: str, version: int) -> Record:
    return [sid, "session", None, {"version": version}]


def error(rid: str, failure: BackendError) -> Record:
    return [rid, "error", None, failure.type, failure.code, failure.param, failure.message]


def coalesce(records: Sequence[Record]) -> list[Record]:
    """The same records with the deltas of each choice joined: what gathered while a send was under way goes as one.

    Linear in the number of records; a choice's text never moves behind its `end`.
    """
    if len({record[0] for record in records}) == len(records):
        return list(records)  # one of each request: a step of the engine, sent at once
    groups: list[list[Record]] = []
    deltas: dict[tuple[str, int], list[Record]] = {}
    for record in records:
        key = (record[0], record[2])
        if record[1] == "delta" and key in deltas:
            deltas[key].append(record)
            continue
        groups.append([record])
        if record[1] == "delta":
            deltas[key] = groups[-1]
        else:
            deltas.pop(key, None)
    return [group[0] if len(group) == 1 else _join(group) for group in groups]


def _join(deltas: Sequence[Record]) -> Record:
    rid, kind, choice = deltas[0][:3]
    text = "".join([delta[3] for delta in deltas])
    count = sum([delta[4] for delta in deltas])
    return [rid, kind, choice, text, count, joined([delta[5] for delta in deltas if delta[5] is not None])]


def encode(records: Sequence[Record]) -> bytes:
    """One JSON array in UTF-8. A lone surrogate, which only a client can have sent, becomes a question mark."""
    return _encoder.encode(records).encode("utf-8", "replace")
