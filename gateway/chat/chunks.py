"""What chat and completions share in the way from GenerationOutputs to an answer. Fed, never fetching: no await, no clock.

    ChunkStream   Accepted -> opening chunks (chat: the role)      Fold   Delta, End -> collected by choice
                  Delta    -> a chunk with the new text                   ended()    -> every choice
                  End      -> a chunk with the finish reason              usage()    -> of all prompts together
                  last End -> and one with the usage, when asked for

A chunk is the JSON text of one object of the stream. What is the same for the whole answer is rendered once per request;
per token one string is escaped and put between two constants.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import ClassVar

import orjson

from gateway.errors import InternalError
from gateway.generation import (
    NO_USAGE,
    Accepted,
    Delta,
    End,
    GenerationOutput,
    ParsedDelta,
    TokenLogprob,
    ToolCallDelta,
    Usage,
)
from gateway.schemas.common import CompletionUsage, PromptTokensDetails

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AnswerHead:
    """What all chunks of an answer, and the answer itself, have in common."""

    id: str
    created: int
    model: str


def wire_usage(usage: Usage) -> CompletionUsage:
    """OpenAI's `usage`."""
    return CompletionUsage(
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        total_tokens=usage.prompt_tokens + usage.completion_tokens,
        prompt_tokens_details=PromptTokensDetails(cached_tokens=usage.cached_tokens),
    )


class ChunkStream(ABC):
    """One answer as chunks, to `prompts` prompts. `choices` counts all alternatives of all of them."""

    object_name: ClassVar[str]
    # A choice is  {"index":0 <opening> <text_start>"…"<text_end> ,"logprobs":…  and without text <opening><empty>.
    opening: ClassVar[bytes]
    text_start: ClassVar[bytes]
    text_end: ClassVar[bytes]
    empty: ClassVar[bytes]

    def __init__(self, head: AnswerHead, *, choices: int, include_usage: bool, prompts: int = 1) -> None:
        members = {
            "id": head.id,
            "object": self.object_name,
            "created": head.created,
            "model": head.model,
            "system_fingerprint": None,
        }
        self._start = orjson.dumps(members)[:-1]
        self._include_usage = include_usage
        self._usage = NO_USAGE
        self._open_prompts = prompts
        # With include_usage every chunk has the member, null but in the last: OpenAI's documented behaviour.
        self._end = b',"usage":null}' if include_usage else b"}"
        self._prefix = [self._start + b',"choices":[{"index":%d' % i + self.opening for i in range(choices)]
        self._before_text = [prefix + self.text_start for prefix in self._prefix]
        self._after_text = self.text_end + b',"logprobs":null,"finish_reason":null}]' + self._end

    @property
    def is_complete(self) -> bool:
        """Whether every prompt has its whole answer."""
        return not self._open_prompts

    def feed(self, outputs: Iterable[GenerationOutput]) -> list[bytes]:
        """The chunks that these outputs make, in order."""
        chunks: list[bytes] = []
        for output in outputs:
            if isinstance(output, Delta):
                # A token that completes no character has nothing to show, unless its logprob was asked for.
                if output.logprobs is not None:
                    chunks.append(self._with_logprobs(output, output.logprobs))
                elif output.text:
                    chunks.append(self._before_text[output.choice] + orjson.dumps(output.text) + self._after_text)
            elif isinstance(output, End):
                chunks.append(self._finish(output))
                if output.usage is not None:
                    chunks.extend(self._count(output.usage))
            elif isinstance(output, ParsedDelta):
                chunks.append(self._parsed(output))
            else:
                chunks.extend(self._opened())
        return chunks

    def _count(self, usage: Usage) -> list[bytes]:
        """The last chunk of all, with no choices, when every prompt is done and the usage was asked for."""
        self._usage += usage
        self._open_prompts -= 1
        if self._open_prompts or not self._include_usage:
            return []
        return [self._start + b',"choices":[],"usage":' + wire_usage(self._usage).model_dump_json().encode() + b"}"]

    @abstractmethod
    def _opened(self) -> list[bytes]:
        """The chunks that announce an answer."""

    @abstractmethod
    def _logprobs(self, index: int, tokens: tuple[TokenLogprob, ...]) -> bytes:
        """`choice.logprobs` as JSON."""

    def _parsed(self, delta: ParsedDelta) -> bytes:
        """A chunk with reasoning or tool calls. Raises InternalError where the API has no place for them."""
        log.error("reasoning or tool calls came where none can be told")
        raise InternalError

    def _with_logprobs(self, delta: Delta, tokens: tuple[TokenLogprob, ...]) -> bytes:
        text = self._before_text[delta.choice] + orjson.dumps(delta.text) + self.text_end
        return text + b',"logprobs":' + self._logprobs(delta.choice, tokens) + b',"finish_reason":null}]' + self._end

    def _finish(self, end: End) -> bytes:
        reasons = self.empty + b',"logprobs":null,"finish_reason":' + orjson.dumps(end.finish_reason)
        if end.stop_reason is not None:
            reasons += b',"stop_reason":' + orjson.dumps(end.stop_reason)
        return self._prefix[end.choice] + reasons + b"}]" + self._end


@dataclass(slots=True)
class FoldedChoice:
    """What has come of one choice so far."""

    texts: list[str] = field(default_factory=list[str])
    reasoning: list[str] = field(default_factory=list[str])
    tool_calls: dict[int, list[ToolCallDelta]] = field(default_factory=dict[int, list[ToolCallDelta]])
    logprobs: list[TokenLogprob] | None = None
    end: End | None = None

    @property
    def text(self) -> str:
        return "".join(self.texts)

    def take(self, output: Delta | ParsedDelta | End) -> None:
        """Add what came next."""
        if isinstance(output, End):
            self.end = output
            return
        if isinstance(output, ParsedDelta):
            self.reasoning.append(output.reasoning)
            for call in output.tool_calls:
                self.tool_calls.setdefault(call.number, []).append(call)
        self.texts.append(output.text)
        if output.logprobs is not None:
            if self.logprobs is None:
                self.logprobs = []
            self.logprobs += output.logprobs


class Fold:
    """The outputs of an answer, collected by choice."""

    def __init__(self, choices: int) -> None:
        self._choices = [FoldedChoice() for _ in range(choices)]
        self._usage = NO_USAGE

    def feed(self, outputs: Iterable[GenerationOutput]) -> None:
        """Collect. None is what an OutputSink answers that can always take more."""
        for output in outputs:
            if not isinstance(output, Accepted):
                self._choices[output.choice].take(output)
                if isinstance(output, End) and output.usage is not None:
                    self._usage += output.usage

    def ended(self) -> list[tuple[FoldedChoice, End]]:
        """Every choice with its end. Raises InternalError when the backend has left one without."""
        pairs = [(choice, choice.end) for choice in self._choices if choice.end is not None]
        if len(pairs) != len(self._choices):
            raise InternalError
        return pairs

    def usage(self) -> CompletionUsage:
        """OpenAI's `usage` of all prompts together."""
        return wire_usage(self._usage)
