"""Transcripts as data, and strategies that make more of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from hypothesis import strategies as st

from gateway.generation import Accepted, Delta, End, GenerationOutput, TokenLogprob, Usage

CRUEL = "\u2028\u2029\x00\"'\\\n\r\x85é🎉👩‍👩‍👧{}[]<&\ufeff "


class StreamCase(NamedTuple):
    """Outputs, and the choices of the chunks that they make: index, delta or text, finish reason, stop reason."""

    choices: int
    outputs: list[GenerationOutput]
    chat: list[list[Any]]
    completion: list[list[Any]]


def _output(kind: str, *rest: Any) -> GenerationOutput:
    if kind == "accepted":
        return Accepted(*rest)
    if kind == "delta":
        return Delta(*rest)
    *members, usage = rest
    return End(*members, None if usage is None else Usage(*usage))


def stream_cases() -> dict[str, StreamCase]:
    """The transcripts of `streams.json` by name."""
    cases = json.loads((Path(__file__).parent / "streams.json").read_text(encoding="utf-8"))
    return {
        case["name"]: StreamCase(
            case["choices"], [_output(*output) for output in case["outputs"]], case["chat"], case["completion"]
        )
        for case in cases
    }


class Generation(NamedTuple):
    """A whole generation in the messages it came in."""

    choices: int
    messages: list[list[GenerationOutput]]


_texts = st.text(st.sampled_from(CRUEL) | st.characters(exclude_categories=("Cs",)), max_size=12)


@st.composite
def generations(draw: st.DrawFn, *, logprobs: bool = False) -> Generation:
    """Any generation that follows the contract: texts cut anywhere, choices interleaved, messages of any size."""
    choices = draw(st.integers(1, 3))
    per_choice: list[list[GenerationOutput]] = []
    for index in range(choices):
        pieces = draw(st.lists(_texts, max_size=4))
        deltas: list[GenerationOutput] = [
            Delta(index, piece, 1, (_logprob(draw, piece),) if logprobs else None) for piece in pieces
        ]
        reason = draw(st.sampled_from(["stop", "length"]))
        stop = draw(st.none() | st.integers(0, 9) | st.text(min_size=1, max_size=3).filter(str.isprintable))
        per_choice.append([*deltas, End(index, reason, stop, None)])
    order = draw(st.permutations([index for index, outputs in enumerate(per_choice) for _ in outputs]))
    queues = [iter(outputs) for outputs in per_choice]
    outputs: list[GenerationOutput] = [Accepted(draw(st.integers(1, 9))), *(next(queues[index]) for index in order)]
    last = outputs[-1]
    assert isinstance(last, End)
    outputs[-1] = last._replace(usage=Usage(draw(st.integers(0, 9)), draw(st.integers(0, 9)), draw(st.integers(0, 9))))
    cuts = sorted(draw(st.sets(st.integers(1, len(outputs) - 1))))
    return Generation(choices, [outputs[a:b] for a, b in zip([0, *cuts], [*cuts, len(outputs)], strict=True)])


def _logprob(draw: st.DrawFn, text: str) -> TokenLogprob:
    value = st.floats(-50, 0)
    alternatives = draw(st.lists(st.tuples(st.integers(0, 9), _texts, value), max_size=2))
    return TokenLogprob(draw(st.integers(0, 9)), text, draw(value), tuple(alternatives))
