"""Turns engine outputs into the records of an official request (pure), with what NVIDIA's outputs need.

A delta's `extra` holds `logprobs`, one object a token, and `cumulative_logprob`, a list whose last element counts: so two
deltas are joined like any others.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..contract.logprobs import not_below_floor
from ..contract.outputs import ChoiceOutput, StepOutput, TokenLogprob
from ..contract.plan import Plan
from ..contract.records import Record
from ..errors import BackendError, Cancelled, Internal
from .request import Wanted


class OfficialRecordBuilder:
    """See `record_builder.RecordBuilder`."""

    __slots__ = ("_cumulative", "_logprobs", "_open", "_rid")

    def __init__(self, rid: str, plan: Plan, wanted: Wanted) -> None:
        self._rid = rid
        # Without alternatives the engine may compute log probabilities all the same, for their sum.
        self._logprobs = wanted.logprobs and plan.alternatives is not None
        self._cumulative = wanted.cumulative_logprob
        self._open = set(range(plan.choices))

    @property
    def complete(self) -> bool:
        return not self._open

    def read(self, output: StepOutput) -> list[Record]:
        records: list[Record] = []
        for choice in output.outputs:
            if choice.index not in self._open:
                continue
            count = len(choice.token_ids)
            if count or choice.text:
                records.append([self._rid, "delta", choice.index, choice.text, count, self._extra(choice)])
            if choice.finish_reason is not None:
                self._open.discard(choice.index)
                records.append(self._end(choice, choice.finish_reason))
        return records

    def _end(self, choice: ChoiceOutput, reason: str) -> Record:
        if reason in GIVEN_UP:
            raise GIVEN_UP[reason](f"the engine ended the request with finish_reason {reason!r}")
        return [self._rid, "end", choice.index, reason, choice.stop_reason, None]

    def _extra(self, choice: ChoiceOutput) -> dict[str, list[Any]] | None:
        extra: dict[str, list[Any]] = {}
        if self._logprobs and choice.logprobs is not None:
            extra["logprobs"] = [_position(position) for position in choice.logprobs]
        if self._cumulative:
            extra["cumulative_logprob"] = [choice.cumulative_logprob]
        return extra or None


# The finish reasons that are no answer, and the errors that they become.
GIVEN_UP: Mapping[str, type[BackendError]] = {"abort": Cancelled, "error": Internal}


def _position(position: Mapping[int, TokenLogprob]) -> dict[str, dict[str, Any]]:
    return {
        str(token_id): {
            "logprob": not_below_floor(token.logprob),
            "rank": token.rank,
            "decoded_token": token.decoded_token,
        }
        for token_id, token in position.items()
    }
