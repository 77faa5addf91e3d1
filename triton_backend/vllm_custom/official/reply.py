"""The answer to one official request: records in, NVIDIA's tensors out.

Every response has one element a choice, in order: the new text, and beside it whatever was asked for. A choice that has
nothing new has an empty text, and its finish reason is "None" until it has one. A response without a new token is sent
only to end the request.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from ..contract.lifecycle import Record
from ..contract.tensors import Sender
from ..engine.interface import Plan
from . import errors, tensors
from .answer import OfficialAnswer
from .request import Wanted

_encoder = json.JSONEncoder(allow_nan=False)


class Reply:
    """`open` and `write` are called by different threads, but the first before the second has anything to write."""

    def __init__(self) -> None:
        self._wanted = Wanted()
        self._choices: list[Choice] = []
        self._prompt_tokens = 0

    def expect(self, wanted: Wanted) -> None:
        self._wanted = wanted

    def open(self, rid: str, plan: Plan, /) -> OfficialAnswer:
        """What the engine's outputs go through, from the moment it has taken the request."""
        self._choices = [Choice(self._wanted.prompt) for _ in range(plan.choices)]
        self._prompt_tokens = plan.prompt_tokens
        return OfficialAnswer(rid, plan, self._wanted)

    def write(self, sender: Sender, records: Sequence[Record], *, final: bool) -> None:
        """See `sender.Write`."""
        for record in records:
            kind = record[1]
            if kind == "error":
                self._say(sender, final=False)
                tensors.refuse(sender, errors.message(record[3], record[4], record[6]), errors.STATUS[record[3]])
                return
            if kind == "result":
                tensors.respond(sender, self._embedded(record[3]), final=final)
                return
            if kind == "delta":
                index: int = record[2]
                self._choices[index].add(record[3], record[4], record[5])
            elif kind == "end":
                self._choices[record[2]].finish_reason = record[3]
        self._say(sender, final=final)

    def _say(self, sender: Sender, *, final: bool) -> None:
        if final or any(choice.count for choice in self._choices):
            outputs = self._outputs()
            for choice in self._choices:
                # Before it is sent: what could not be sent must not come again with the error that follows.
                choice.said()
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


class Choice:
    """What one choice has to say in the next response, and what of it stays."""

    __slots__ = ("_logprobs", "_texts", "count", "cumulative_logprob", "finish_reason")

    def __init__(self, prompt: str) -> None:
        self.count = 0
        self.finish_reason = "None"
        self.cumulative_logprob = 0.0
        self._texts = [prompt]
        self._logprobs: list[Any] | None = None

    def add(self, text: str, count: int, extra: Mapping[str, list[Any]] | None) -> None:
        self._texts.append(text)
        self.count += count
        if extra is None:
            return
        if cumulative := extra.get("cumulative_logprob"):
            self.cumulative_logprob = math.nan if cumulative[-1] is None else cumulative[-1]
        if (logprobs := extra.get("logprobs")) is not None:
            self._logprobs = [*(self._logprobs or ()), *logprobs]

    def text(self) -> bytes:
        """A lone surrogate, which only a client can have sent, becomes a question mark."""
        return "".join(self._texts).encode("utf-8", "replace")

    def logprobs(self) -> bytes:
        """One JSON list, an object a token; `null` where the sampling parameters ask for none."""
        return _encoder.encode(self._logprobs).encode()

    def said(self) -> None:
        self._texts.clear()
        self.count = 0
        if self._logprobs is not None:
            self._logprobs = []
