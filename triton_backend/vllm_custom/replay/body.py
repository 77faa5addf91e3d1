"""The fields of an OpenAI body that the replay engine honours (pure). vLLM's own classes check many more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from ..contract.generate import Generate
from ..errors import BadRequest

# Known to OpenAI and without meaning for a script.
IGNORED = frozenset(
    {"model", "user", "temperature", "top_p", "top_k", "min_p", "frequency_penalty", "presence_penalty", "logit_bias",
     "repetition_penalty", "response_format", "structured_outputs", "stream_options", "min_tokens", "ignore_eos",
     "priority", "cache_salt", "stop_token_ids", "skip_special_tokens", "tools", "tool_choice", "parallel_tool_calls",
     "include_reasoning", "reasoning_effort", "chat_template_kwargs", "thinking_token_budget", "bad_words",
     "allowed_token_ids", "logprob_token_ids", "spaces_between_special_tokens", "repetition_detection"}
)  # fmt: skip
HONOURED = frozenset(
    {"max_tokens", "max_completion_tokens", "stop", "include_stop_str_in_output", "n", "seed", "stream", "logprobs",
     "top_logprobs", "return_token_ids", "prompt_logprobs", "echo"}
)  # fmt: skip
COMPLETION_TOKENS = 16
MOST_CHOICES = 128


@dataclass(frozen=True, slots=True)
class ReplayParams:
    """What a request asks of a script. `alternatives` and `prompt_alternatives` as in `plan.Plan`."""

    max_tokens: int
    stops: Sequence[str]
    keep_stop: bool
    choices: int
    seed: int
    stream: bool
    alternatives: int | None
    token_ids: bool
    prompt_alternatives: int | None = None


def read_body(request: Generate, room: int) -> ReplayParams:
    """The fields that count. `room`: the tokens that the context leaves. Raises BadRequest with the field at fault."""
    body = request.body
    for name in body:
        if name not in HONOURED and name not in IGNORED:
            raise BadRequest(f"this engine does not know the field {name!r}", param=name)
    return ReplayParams(
        max_tokens=min(room, _max_tokens(request, room)),
        stops=_stops(body),
        keep_stop=_flag(body, "include_stop_str_in_output"),
        choices=_whole(body, "n", 1, 1, MOST_CHOICES),
        seed=_whole(body, "seed", 0, -(2**63), 2**63 - 1),
        stream=_flag(body, "stream"),
        alternatives=_alternatives(request),
        token_ids=_flag(body, "return_token_ids"),
        prompt_alternatives=_prompt_alternatives(request),
    )


def _max_tokens(request: Generate, room: int) -> int:
    default = room if request.api == "chat" else COMPLETION_TOKENS
    name = "max_completion_tokens" if request.body.get("max_completion_tokens") is not None else "max_tokens"
    return _whole(request.body, name, default, 1, 2**31 - 1)


def _alternatives(request: Generate) -> int | None:
    if request.api == "completions":
        return None if request.body.get("logprobs") is None else _whole(request.body, "logprobs", 0, 0, 20)
    return _whole(request.body, "top_logprobs", 0, 0, 20) if _flag(request.body, "logprobs") else None


def _prompt_alternatives(request: Generate) -> int | None:
    """As vLLM: with `echo`, the prompt has as many log probabilities a token as the answer."""
    if request.body.get("prompt_logprobs") is None:
        return _alternatives(request) if _flag(request.body, "echo") else None
    return _whole(request.body, "prompt_logprobs", 0, 0, 20)


def _stops(body: Mapping[str, Any]) -> Sequence[str]:
    stop: Any = body.get("stop") or []
    stops: Any = [stop] if isinstance(stop, str) else stop
    if not isinstance(stops, list) or not all(isinstance(item, str) and item for item in cast("list[Any]", stops)):
        raise BadRequest("stop must be a text or a list of texts", param="stop")
    return cast("list[str]", stops)


def _flag(body: Mapping[str, Any], name: str) -> bool:
    value = body.get(name)
    if value is not None and not isinstance(value, bool):
        raise BadRequest(f"{name} must be true or false", param=name)
    return bool(value)


def _whole(body: Mapping[str, Any], name: str, default: int, least: int, most: int) -> int:
    value = body.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise BadRequest(f"{name} must be a whole number from {least} to {most}", param=name)
    return value
