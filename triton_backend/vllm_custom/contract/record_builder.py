"""Turns engine outputs into the contract's records (pure)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from ..errors import BackendError, Cancelled, Internal
from .content_tokens import ContentTokens
from .logprobs import logprobs, prompt_logprobs
from .outputs import ChoiceOutput, StepOutput
from .parsed import ParsedChoice
from .plan import Plan
from .records import Record

FINISH_REASONS = frozenset({"stop", "length", "tool_calls"})


class RecordBuilder(Protocol):
    """Is fed with the outputs of one request and gives its records, in whichever form its client reads."""

    @property
    def complete(self) -> bool:
        """Whether every choice has had its `end`."""
        ...

    def read(self, output: StepOutput) -> list[Record]:
        """The records of one step. Raises a BackendError when the engine gave the request up."""
        ...


MakeBuilder = Callable[[str, Plan], RecordBuilder]
"""From the rid of a request and its plan, once the engine has accepted it."""


class NativeRecordBuilder:
    """See RecordBuilder: the records of the contract (docs/contract.md)."""

    __slots__ = (
        "_alternatives",
        "_completion_tokens",
        "_content_tokens",
        "_open",
        "_prompt_alternatives",
        "_prompt_tokens",
        "_reasoning_tokens",
        "_rid",
        "_token_ids",
    )

    def __init__(self, rid: str, plan: Plan) -> None:
        self._rid = rid
        # The choices that have not ended.
        self._open = set(range(plan.choices))
        self._prompt_tokens = plan.prompt_tokens
        self._completion_tokens = 0
        self._reasoning_tokens: int | None = None
        self._alternatives = plan.alternatives
        self._content_tokens = [ContentTokens() for _ in range(plan.choices)] if plan.content_only else None
        self._token_ids = plan.token_ids
        self._prompt_alternatives = plan.prompt_alternatives

    @property
    def complete(self) -> bool:
        return not self._open

    def read(self, output: StepOutput) -> list[Record]:
        records: list[Record] = []
        if self._prompt_alternatives is not None:
            found = prompt_logprobs(output, self._prompt_alternatives)
            if found:
                records.append([self._rid, "prompt", None, {"logprobs": found}])
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
            entries = logprobs(choice.token_ids, choice.logprobs, self._alternatives)
            told = entries if self._content_tokens is None else self._content_tokens[choice.index].feed(choice, entries)
            if told or self._content_tokens is None:
                extra["logprobs"] = told
        if self._token_ids:
            extra["token_ids"] = list(choice.token_ids)
        return extra or None


def _given_up(finish_reason: str | None) -> BackendError:
    if finish_reason == "abort":
        return Cancelled("the engine aborted the request")
    return Internal(f"the engine ended the request with finish_reason {finish_reason!r}")
