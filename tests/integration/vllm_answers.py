"""An answer in a form in which two servers' can be compared, and where two of them differ."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

# Two engines may batch a prompt in other pieces, and float32 sums depend on their order.
TOLERANCE = 1e-3
OWN = ("id", "created", "system_fingerprint", "model", "service_tier", "kv_transfer_params", "prompt_routed_experts")
"""Fields that tell of the server, and not of the answer."""


def read(status: int, text: str) -> dict[str, Any]:
    """A whole answer, or what the pieces of a stream come to; of an error its status alone."""
    if status != 200:
        return {"status": status}
    if text.startswith("data:"):
        return _joined([json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: {")])
    answer = {name: value for name, value in json.loads(text, object_hook=_sorted).items() if name not in OWN}
    return {"status": status, **answer}


def _sorted(value: dict[str, Any]) -> dict[str, Any]:
    """vLLM lists the token that was taken first, we the likeliest, as OpenAI does."""
    if isinstance(rivals := value.get("top_logprobs"), list) and all(isinstance(each, dict) for each in rivals):
        value["top_logprobs"] = sorted(rivals, key=lambda rival: -rival.get("logprob", 0.0))
    return value


def differences(ours: Any, theirs: Any, path: str = "") -> Iterator[str]:
    """The paths at which they differ. A field that is null counts as one that is absent, and one that only we have does not
    count."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for name, value in theirs.items():
            if value is not None:
                yield from differences(ours.get(name), value, f"{path}.{name}")
    elif isinstance(ours, list) and isinstance(theirs, list):
        if len(ours) != len(theirs):
            yield f"{path}: {len(ours)} of {len(theirs)} members"
        for number, (one, other) in enumerate(zip(ours, theirs, strict=False)):
            yield from differences(one, other, f"{path}[{number}]")
    elif not _is_same(ours, theirs):
        yield f"{path}: {ours!r} instead of {theirs!r}"


def _is_same(ours: Any, theirs: Any) -> bool:
    if isinstance(ours, float) and isinstance(theirs, int | float):
        return math.isclose(ours, theirs, abs_tol=TOLERANCE, rel_tol=TOLERANCE)
    return type(ours) is type(theirs) and ours == theirs


def _joined(chunks: list[dict[str, Any]]) -> dict[str, Any]:
    choices: dict[int, dict[str, Any]] = {}
    usage: Any = None
    for chunk in chunks:
        usage = chunk.get("usage") or usage
        for piece in chunk["choices"]:
            choice = choices.setdefault(piece["index"], {"text": "", "tokens": [], "finish_reason": None})
            choice["text"] += _text(piece)
            choice["tokens"] += _tokens(piece.get("logprobs") or {})
            for name in ("finish_reason", "stop_reason"):
                choice[name] = piece.get(name) if piece.get(name) is not None else choice.get(name)
    return {"status": 200, "choices": [choices[number] for number in sorted(choices)], "usage": usage}


def _text(piece: Mapping[str, Any]) -> str:
    return piece.get("text") or (piece.get("delta") or {}).get("content") or ""


def _tokens(logprobs: Mapping[str, Any]) -> list[Any]:
    if "content" in logprobs:
        return logprobs["content"] or []
    return list(zip(logprobs.get("tokens", ()), logprobs.get("token_logprobs", ()), strict=True))


def is_judged(difference: str, judged: Mapping[str, str]) -> bool:
    """Whether one of these patterns, each with its reason, describes the difference."""
    return any(re.search(pattern, difference) for pattern in judged)
