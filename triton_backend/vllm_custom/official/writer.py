"""Writes the responses of one official request: records in, NVIDIA's tensors out.

Every response has one element a choice, in order: the new text, and beside it whatever was asked for. A choice that has
nothing new has an empty text, and its finish reason is "None" until it has one. A response without a new token is sent
only to end the request.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from ..contract.plan import Plan
from ..contract.records import CHOICE, KIND, Record
from ..contract.tensors import Sender
from . import errors, tensors
from .official_records import OfficialRecordBuilder
from .request import Wanted

_encoder = json.JSONEncoder(allow_nan=False)


class OfficialWriter:
    """`expect`, then `open` when the engine has taken the request, then `write` for whatever is to be sent.

    `open` is called by the engine's thread and `write` by the outbox's, but nothing is written before `open`, unless the
    request fails.
    """

    def __init__(self) -> None:
        self._wanted = Wanted()
        self._choices: list[PendingChoice] = []
        self._prompt_tokens = 0

    def expect(self, wanted: Wanted) -> None:
        """What the client wants to see of the answer."""
        self._wanted = wanted

    def open(self, rid: str, plan: Plan, /) -> OfficialRecordBuilder:
        """See `record_builder.MakeBuilder`."""
        self._choices = [PendingChoice(self._wanted.prompt) for _ in range(plan.choices)]
        self._prompt_tokens = plan.prompt_tokens
        return OfficialRecordBuilder(rid, plan, self._wanted)

    def write(self, sender: Sender, records: Sequence[Record], *, final: bool) -> None:
        """See `outbox.Write`."""
        for record in records:
            kind = record[KIND]
            if kind == "delta":
                index: int = record[CHOICE]
                _, _, _, text, count, extra = record
                self._choices[index].add(text, count, extra)
            elif kind == "end":
                _, _, _, finish_reason, _, _ = record
                self._choices[record[CHOICE]].finish_reason = finish_reason
            elif kind == "error":
                _, _, _, error_type, code, _, text = record
                self._send_pending(sender, final=False)
                tensors.refuse(sender, errors.message(error_type, code, text), errors.STATUS[error_type])
                return
            elif kind == "result":
                _, _, _, value = record
                tensors.respond(sender, self._embedded(value), final=final)
                return
        self._send_pending(sender, final=final)

    def _send_pending(self, sender: Sender, *, final: bool) -> None:
        if final or any(choice.count for choice in self._choices):
            outputs = self._outputs()
            for choice in self._choices:
                # Before it is sent: what could not be sent must not come again with the error that follows.
                choice.clear()
            tensors.respond(sender, outputs, final=final)

    def _outputs(self) -> dict[str, list[Any]]:
        wanted, choices = self._wanted, self._choices
        outputs: dict[str, list[Any]] = {tensors.TEXT_OUTPUT: [choice.text() for choice in choices]}
        if wanted.finish_reason:
            outputs[tensors.FINISH_REASON] = [choice.finish_reason.encode() for choice in choices]
        if wanted.cumulative_logprob:
            outputs[tensors.CUMULATIVE_LOGPROB] = [choice.cumulative_logprob for choice in choices]
        if wanted.logprobs:
            outputs[tensors.LOGPROBS] = [choice.logprobs() for choice in choices]
        if wanted.num_input_tokens:
            outputs[tensors.NUM_INPUT_TOKENS] = [self._prompt_tokens]
        if wanted.num_output_tokens:
            outputs[tensors.NUM_OUTPUT_TOKENS] = [choice.count for choice in choices]
        return outputs

    def _embedded(self, value: Mapping[str, Any]) -> dict[str, list[Any]]:
        outputs: dict[str, list[Any]] = {tensors.TEXT_OUTPUT: [_encoder.encode(value["embedding"]).encode()]}
        if self._wanted.num_input_tokens:
            outputs[tensors.NUM_INPUT_TOKENS] = [value["prompt_tokens"]]
        if self._wanted.num_output_tokens:
            outputs[tensors.NUM_OUTPUT_TOKENS] = [0]
        return outputs


class PendingChoice:
    """What the next response has of one choice. Its finish reason and the sum of its log probabilities stay after it."""

    __slots__ = ("_logprobs", "_texts", "count", "cumulative_logprob", "finish_reason")

    def __init__(self, prompt: str) -> None:
        self.count = 0
        self.finish_reason = "None"
        self.cumulative_logprob = 0.0
        self._texts = [prompt]
        self._logprobs: list[Any] | None = None

    def add(self, text: str, count: int, extra: Mapping[str, list[Any]] | None) -> None:
        """The body of a `delta`."""
        self._texts.append(text)
        self.count += count
        if extra is None:
            return
        if cumulative := extra.get("cumulative_logprob"):
            self.cumulative_logprob = math.nan if cumulative[-1] is None else cumulative[-1]
        if (logprobs := extra.get("logprobs")) is not None:
            self._logprobs = [*(self._logprobs or ()), *logprobs]

    def text(self) -> bytes:
        """The new text in UTF-8. A lone surrogate, which only a client can have sent, becomes a question mark."""
        return "".join(self._texts).encode("utf-8", "replace")

    def logprobs(self) -> bytes:
        """One JSON list, an object a token; `null` where the sampling parameters ask for none."""
        return _encoder.encode(self._logprobs).encode()

    def clear(self) -> None:
        """Forget what has gone into a response."""
        self._texts.clear()
        self.count = 0
        if self._logprobs is not None:
            self._logprobs = []
