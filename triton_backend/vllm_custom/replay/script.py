"""What the replay engine plays (pure): the script of model.json, and the tokens of one request after it.

The keys of an entry, all optional:

    prompt            plays when this text is part of the prompt; without it, for every prompt
    body              plays when each of these stands in the request's body, with this value
    text              what is generated, or a list of texts: choice i with seed s gets number (s + i) of it
    finish_reason     at the end of the text, `stop` if not given
    accept_seconds    before `accepted`, while the request is being checked
    prefill_seconds   before the first token
    token_seconds     before each further one
    step_seconds      in place of both: tokens come at moments that all requests share, as the steps of an engine
    logprobs          log probabilities of the tokens, repeated as often as needed
    refuse            an error `{"type", "message", "param", "code"}` instead of `accepted`
    fail              the same, in place of the token number `fail_at` (0 if not given)
    die_at            the whole engine dies in place of this token
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, cast

from .. import errors
from ..errors import BackendError, ConfigError

DEFAULT_TEXT = "This text was scripted, not generated."


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the script; the keys are explained above."""

    prompt: str = ""
    body: Mapping[str, Any] = field(default_factory=dict[str, Any])
    text: str | Sequence[str] = DEFAULT_TEXT
    finish_reason: str = "stop"
    accept_seconds: float = 0.0
    prefill_seconds: float = 0.0
    token_seconds: float = 0.0
    step_seconds: float | None = None
    logprobs: Sequence[float] = (-0.25,)
    refuse: Mapping[str, Any] | None = None
    fail: Mapping[str, Any] | None = None
    fail_at: int = 0
    die_at: int | None = None

    def fits(self, prompt: str, body: Mapping[str, Any]) -> bool:
        return self.prompt in prompt and all(body.get(name) == value for name, value in self.body.items())

    def text_of(self, choice: int, seed: int) -> str:
        texts = [self.text] if isinstance(self.text, str) else self.text
        return texts[(seed + choice) % len(texts)]


def parse_script(source: str, script: Any) -> tuple[Entry, ...]:
    """The entries of model.json, and behind them one for every prompt."""
    if not isinstance(script, list):
        raise ConfigError(f"{source}: script must be a list of objects")
    return (*(_entry(source, item) for item in cast("list[Any]", script)), Entry())


def _entry(source: str, item: Any) -> Entry:
    known = {each.name for each in fields(Entry)}
    if not isinstance(item, dict) or not cast("dict[str, Any]", item).keys() <= known:
        raise ConfigError(f"{source}: an entry of script may hold {', '.join(sorted(known))}, not {item!r}")
    return Entry(**cast("dict[str, Any]", item))


def scripted_error(written: Mapping[str, Any]) -> BackendError:
    """The error that an entry asks for; `internal` where its type is unknown."""
    by_type = {cls.type: cls for cls in BackendError.__subclasses__()}
    failure = by_type.get(written.get("type", ""), errors.Internal)
    return failure(written.get("message", "scripted"), param=written.get("param"), code=written.get("code"))


@dataclass(frozen=True, slots=True)
class Token:
    """One token of a text, with the characters it completes."""

    id: int
    text: str


@dataclass(frozen=True, slots=True)
class Line:
    """The tokens of one choice, and why it ends."""

    tokens: Sequence[Token]
    finish_reason: str
    stop_reason: str | None


def cut(tokens: Sequence[Token], finish_reason: str, *, limit: int, stops: Sequence[str], keep_stop: bool) -> Line:
    """The line that `max_tokens` and the stop strings leave of a text. As in vLLM, the token that completes a stop
    string counts, and of its text only what stands before the stop string (or its end) is kept."""
    text = "".join(token.text for token in tokens) if stops else ""
    found = [(text.find(stop), stop) for stop in stops if stop in text]
    if found:
        start, stop = min(found)
        needed = _tokens_until(tokens, start + len(stop))
        if needed <= limit:
            return Line(_clip(tokens[:needed], start + len(stop) * keep_stop), "stop", stop)
    if len(tokens) >= limit:
        return Line(tokens[:limit], "length" if len(tokens) > limit else finish_reason, None)
    return Line(tokens, finish_reason, None)


def _tokens_until(tokens: Sequence[Token], length: int) -> int:
    covered = 0
    for count, token in enumerate(tokens, start=1):
        covered += len(token.text)
        if covered >= length:
            return count
    return len(tokens)


def _clip(tokens: Sequence[Token], length: int) -> list[Token]:
    clipped: list[Token] = []
    for token in tokens:
        clipped.append(Token(token.id, token.text[: max(0, length)]))
        length -= len(token.text)
    return clipped
