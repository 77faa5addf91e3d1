"""The official backend's sampling parameters, as far as the replay engine honours them (pure)."""

from __future__ import annotations

import dataclasses
import typing
from dataclasses import dataclass

from ..errors import BadRequest
from ..official.request import OfficialGenerate
from ..official.sampling import arguments
from .body import MOST_CHOICES, ReplayParams


@dataclass(frozen=True, slots=True)
class Structured:
    """Known, and without meaning for a script."""

    json: str | dict[str, typing.Any] | None = None
    regex: str | None = None
    choice: list[str] | None = None
    grammar: str | None = None
    json_object: bool | None = None
    structural_tag: str | None = None


@dataclass(frozen=True, slots=True)
class Sampling:
    """As vLLM's SamplingParams, with its defaults. What stands below `logprobs` has no meaning for a script."""

    n: int = 1
    seed: int | None = None
    stop: str | list[str] | None = None
    include_stop_str_in_output: bool = False
    max_tokens: int | None = 16
    logprobs: int | None = None
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    repetition_penalty: float = 1.0
    stop_token_ids: list[int] | None = None
    bad_words: list[str] | None = None
    ignore_eos: bool = False
    min_tokens: int = 0
    skip_special_tokens: bool = True
    logit_bias: dict[int, float] | None = None
    structured_outputs: dict[str, typing.Any] | None = None


_KNOWN = typing.get_type_hints(Sampling)
_STRUCTURED = typing.get_type_hints(Structured)


def read_sampling(request: OfficialGenerate, room: int) -> ReplayParams:
    """The parameters that count. `room`: the tokens that the context leaves. Raises BadRequest, naming the one at fault."""
    sampling = dataclasses.replace(Sampling(), **arguments(request.body, _KNOWN, _STRUCTURED))
    if not 1 <= sampling.n <= MOST_CHOICES:
        raise BadRequest(f"n must be from 1 to {MOST_CHOICES}, got {sampling.n}.", param="n")
    if sampling.max_tokens is not None and sampling.max_tokens < 1:
        raise BadRequest(f"max_tokens must be at least 1, got {sampling.max_tokens}.", param="max_tokens")
    return ReplayParams(
        max_tokens=min(room, room if sampling.max_tokens is None else sampling.max_tokens),
        stops=[sampling.stop] if isinstance(sampling.stop, str) else sampling.stop or (),
        keep_stop=sampling.include_stop_str_in_output,
        choices=sampling.n,
        seed=sampling.seed or 0,
        stream=request.stream,
        alternatives=sampling.logprobs,
        token_ids=False,
    )
