"""Turns outputs into the chunks of a stream, for chat and completions alike. No await, no clock.

    Accepted -> nothing; the answer begins, and pings keep its connection until the first token
    Delta    -> a chunk with the new text; before the first of all those that open the choices (chat: the roles)
    End      -> a chunk with the finish reason
    last End -> and one with the usage, when asked for

A chunk is the JSON text of one object of the stream. What is the same for the whole answer is rendered once per request;
per token one string is escaped and put between two constants.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import ClassVar, Protocol

import orjson

from gateway.answers.plan import AnswerPlan
from gateway.answers.usage import RunningUsage, wire_usage
from gateway.errors import InternalError
from gateway.generation import (
    NO_USAGE,
    Accepted,
    Backpressure,
    Delta,
    End,
    GenerationOutput,
    ParsedDelta,
    PromptLogprobs,
    TokenLogprob,
    Usage,
)
from gateway.wire.answers import CompletionUsage

log = logging.getLogger(__name__)


class ChunkSink(Protocol):
    """Takes chunks as JSON. The first `write`, even of no chunks, begins the answer with its status 200; an error after
    that is part of the stream."""

    def begin_within(self, seconds: float) -> None:
        """Begin the answer after this time, if nothing has been written until then."""
        ...

    def write(self, chunks: list[bytes]) -> Backpressure:
        """Write chunks that are ready together."""
        ...

    def write_one(self, chunk: bytes) -> Backpressure:
        """Write one chunk: called for each token."""
        ...


class ChunkStream(ABC):
    """One answer as chunks."""

    object_name: ClassVar[str]
    # A choice is  {"index":0 <opening> <text_start>"…"<text_end> ,"logprobs":…  and without text <opening><empty>.
    opening: ClassVar[bytes]
    text_start: ClassVar[bytes]
    text_end: ClassVar[bytes]
    empty: ClassVar[bytes]

    def __init__(self, plan: AnswerPlan) -> None:
        members = {
            "id": plan.id,
            "object": self.object_name,
            "created": plan.created,
            "model": plan.model,
        }
        self._plan = plan
        self._start = orjson.dumps(members)[:-1]
        self._usage = NO_USAGE
        self._open_prompts = plan.prompts
        self._echo = plan.echo()
        self._running = RunningUsage() if plan.continuous_usage else None
        self._is_open = False
        # With include_usage every chunk has the member, null but in the last: OpenAI's documented behaviour.
        self._end = b',"usage":null}' if plan.include_usage else b"}"
        self._prefix = [self._start + b',"choices":[{"index":%d' % i + self.opening for i in range(plan.choices)]
        self._text_starts = [prefix + self.text_start for prefix in self._prefix]
        self._after_text = self.text_end + b',"logprobs":null,"finish_reason":null}]' + self._end

    @property
    def is_complete(self) -> bool:
        """Whether every prompt has its whole answer."""
        return not self._open_prompts

    def feed(self, outputs: Iterable[GenerationOutput]) -> list[bytes]:
        """The chunks that these outputs make, in order."""
        if self._echo is not None:
            outputs = self._echo.feed(outputs)
        if self._running is None:
            return self._chunks(outputs)
        return [chunk for output in outputs for chunk in self._counted(output, self._running)]

    @property
    def around_text(self) -> tuple[Sequence[bytes], bytes] | None:
        """What stands before (by choice) and behind the text in the chunk of a plain delta, as `feed` makes it; None where a
        plain delta is more than one chunk with its text, as the first of all is."""
        is_alone = self._is_open and self._echo is None and self._running is None
        return (self._text_starts, self._after_text) if is_alone else None

    def _chunks(self, outputs: Iterable[GenerationOutput]) -> list[bytes]:
        chunks: list[bytes] = []
        for output in outputs:
            if isinstance(output, Accepted | PromptLogprobs):  # streams tell the latter as the echo, if at all
                continue
            if not self._is_open:
                chunks.extend(self._open())
            if isinstance(output, Delta):
                # A token that completes no character has nothing to show, unless more than its text was asked for.
                if output.logprobs is not None or output.token_ids is not None:
                    chunks.append(self._detailed(output))
                elif output.text:
                    chunks.append(self._text_starts[output.choice] + orjson.dumps(output.text) + self._after_text)
            elif isinstance(output, End):
                chunks.append(self._finish(output))
                if output.usage is not None:
                    chunks.extend(self._count(output.usage))
            else:
                chunks.append(self._parsed(output))
        return chunks

    def _open(self) -> list[bytes]:
        self._is_open = True
        return self._opened()

    def _counted(self, output: GenerationOutput, running: RunningUsage) -> list[bytes]:
        """Its chunks with the usage so far in place of null; the last of all has its own."""
        is_first = not self._is_open and not isinstance(output, Accepted | PromptLogprobs)
        opened = self._with_usage(self._open(), running.so_far) if is_first else []
        return opened + self._with_usage(self._chunks((output,)), running.after(output))

    def _with_usage(self, chunks: list[bytes], usage: CompletionUsage) -> list[bytes]:
        written = b',"usage":' + usage.model_dump_json().encode() + b"}"
        return [chunk.removesuffix(self._end) + written if chunk.endswith(self._end) else chunk for chunk in chunks]

    def _count(self, usage: Usage) -> list[bytes]:
        """The last chunk of all, with no choices, when every prompt is done and the usage was asked for."""
        self._usage += usage
        self._open_prompts -= 1
        if self._open_prompts or not self._plan.include_usage:
            return []
        return [self._start + b',"choices":[],"usage":' + wire_usage(self._usage).model_dump_json().encode() + b"}"]

    @abstractmethod
    def _opened(self) -> list[bytes]:
        """The chunks that announce the choices, in order: the SDK counts on it. They come with the first token, so that who
        measures the time to the first chunk measures that to the first token."""

    @abstractmethod
    def _logprobs(self, index: int, tokens: tuple[TokenLogprob, ...]) -> bytes:
        """`choice.logprobs` as JSON."""

    def _parsed(self, delta: ParsedDelta) -> bytes:
        """A chunk with reasoning or tool calls. Raises InternalError where the API has no place for them."""
        log.error("reasoning or tool calls came where the API has none")
        raise InternalError

    def _detailed(self, delta: Delta) -> bytes:
        text = self._text_starts[delta.choice] + orjson.dumps(delta.text) + self.text_end
        return text + self._details(delta) + self._end

    def _details(self, delta: Delta | ParsedDelta) -> bytes:
        """What follows the text in a choice, to its end and that of the choices."""
        logprobs = b"null" if delta.logprobs is None else self._logprobs(delta.choice, delta.logprobs)
        ids = b"" if delta.token_ids is None else b',"token_ids":' + orjson.dumps(delta.token_ids)
        return (
            b',"logprobs":'
            + logprobs
            + b',"finish_reason":null'
            + ids
            + self._first_chunk_members(delta.choice)
            + b"}]"
        )

    def _first_chunk_members(self, index: int) -> bytes:
        """Members of a choice's first chunk."""
        return b""

    def _finish(self, end: End) -> bytes:
        reasons = self.empty + b',"logprobs":null,"finish_reason":' + orjson.dumps(self._reason(end))
        if end.stop_reason is not None:
            reasons += b',"stop_reason":' + orjson.dumps(end.stop_reason)
        return self._prefix[end.choice] + reasons + b"}]" + self._end

    def _reason(self, end: End) -> str:
        return end.finish_reason


class ChunkedSink:
    """Hands on the outputs of one answer as chunks. The last of them stay in `last`, to leave with the end of the
    answer."""

    __slots__ = ("_after", "_before", "_sink", "_stream", "last")

    def __init__(self, stream: ChunkStream, sink: ChunkSink) -> None:
        self.last: list[bytes] = []
        self._stream = stream
        self._sink = sink
        self._before: Sequence[bytes] | None = None
        self._after = b""

    def take(self, outputs: list[GenerationOutput]) -> Backpressure:
        """See `OutputSink`."""
        chunks = self._stream.feed(outputs)
        if self._stream.is_complete:
            self.last += chunks
            return None
        return self._sink.write(chunks)

    def take_text(self, choice: int, text: str, token_count: int) -> Backpressure:
        """See `OutputSink`."""
        if self._before is None:
            self._before, self._after = self._stream.around_text or (None, b"")
        if self._before is None:
            return self.take([Delta(choice, text, token_count, None)])
        # A token that completes no character has nothing to show.
        return self._sink.write_one(self._before[choice] + orjson.dumps(text) + self._after) if text else None
