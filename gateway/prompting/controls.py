"""Keeps the control tokens of a prompt the template's own: what a client writes like one reaches the model as text.

    values ── ControlTokens.quote ──> values with marks ── template ──> text with marks ── Marks.prompt ──> Prompt

Only what looks like a control token is replaced, by digits that nobody can guess, before the template runs, and put back
behind it, where its place tells the tokeniser that it is text. So a template sees all other text as it was written, and may
trim, search, compare and escape it. Text without such places is not touched at all.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple, cast

from gateway.errors import BadRequest
from gateway.prompting.prompt import Prompt

_OWN_MARKUP_ROLES: Final = ("assistant", "system", "developer")
"""Who may write the model's own markup (`<think>`, `<tool_call>`): what the model has said, and its operator."""

_MOST_MARKS: Final = 10_000
"""Places of a conversation. A text of millions of such tokens would hold the event loop for seconds."""

_TAG: Final = re.compile(r"</?[\w-]+>")
_LEAST_EDGE: Final = 2
"""So much of a token at an end of a text is quoted: the template may put the rest beside it."""


class AddedToken(NamedTuple):
    """A token that a tokeniser finds in a text before all else."""

    text: str
    special: bool


class Marks:
    """What stands for the quoted texts of one prompt. Digits: no template and no filter changes those."""

    def __init__(self) -> None:
        self._secret = f"{secrets.randbelow(10**32):032d}"
        self._numbers: dict[str, int] = {}
        self._places = 0

    def mark(self, text: str) -> str:
        """What stands for this text. Raises BadRequest when there are too many."""
        self._places += 1
        if self._places > _MOST_MARKS:
            raise BadRequest(
                f"The messages contain more than {_MOST_MARKS:,} texts that look like this model's special tokens.",
                param="messages",
                code="invalid_value",
            )
        return f"{self._secret}{self._numbers.setdefault(text, len(self._numbers)):06d}"

    def prompt(self, rendered: str) -> Prompt:
        """The text with what was quoted back in its places."""
        if not self._numbers:
            return Prompt(rendered)
        texts = list(self._numbers)
        parts: list[str] = []
        quoted: list[tuple[int, int]] = []
        length = 0
        for number, part in enumerate(re.split(rf"{self._secret}(\d{{6}})", rendered)):
            written = texts[int(part)] if number % 2 else part
            if number % 2:
                quoted.append((length, length + len(written)))
            parts.append(written)
            length += len(written)
        return Prompt("".join(parts), tuple(quoted))


def longest_of(texts: Iterable[str]) -> re.Pattern[str]:
    """Finds the leftmost of them, and of those the longest, as tokenisers do; nothing where there are none."""
    longest_first = sorted({text for text in texts if text}, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")


class _Quoter:
    """Finds tokens, and the parts of them that stand at an end of a text."""

    def __init__(self, tokens: Iterable[str]) -> None:
        known = {*tokens}
        self._tokens = longest_of(known)
        # What has none of them neither has a token nor ends in a part of one; nearly no text has any.
        self._signs = tuple({sign for token in known for sign in (token[0], token[-1])})
        self._longest = max(map(len, known), default=1) - 1
        self._beginnings = {token[:end] for token in known for end in range(_LEAST_EDGE, len(token))}
        self._ends = {token[start:] for token in known for start in range(1, len(token) - _LEAST_EDGE + 1)}

    def quote(self, value: Any, marks: Marks) -> Any:
        """The value with marks in its texts, and in those of its members. A text without need of any is left as it is."""
        if isinstance(value, str):
            return self._text(value, marks)
        if isinstance(value, Mapping):
            members = cast("Mapping[Any, Any]", value)
            return {self.quote(key, marks): self.quote(member, marks) for key, member in members.items()}
        if isinstance(value, list | tuple):
            return [self.quote(member, marks) for member in cast("Sequence[Any]", value)]
        return value

    def _text(self, text: str, marks: Marks) -> str:
        for sign in self._signs:
            if sign in text:
                break
        else:
            return text
        text = self._tokens.sub(lambda found: marks.mark(found.group()), text)
        return self._edges(text, marks)

    def _edges(self, text: str, marks: Marks) -> str:
        lengths = range(min(self._longest, len(text)), _LEAST_EDGE - 1, -1)
        begun = next((length for length in lengths if text[-length:] in self._beginnings), 0)
        if begun:
            text = text[:-begun] + marks.mark(text[-begun:])
        ended = next((length for length in lengths if text[:length] in self._ends), 0)
        return marks.mark(text[:ended]) + text[ended:] if ended else text


class ControlTokens:
    """The tokens of a model that give its prompts their structure.

    Those are its special tokens, and the added tokens that the template names, of which some files don't say that they are
    special. Added tokens that are neither are words. What the template looks for in messages, and what it names like a tag
    without its being special, is markup of the model's own, which assistant, system and developer messages may have.
    """

    def __init__(self, added: Collection[AddedToken], template: str) -> None:
        named = [token for token in added if token.text and (token.special or token.text in template)]
        markup = {token.text for token in named if _is_markup(token, template)}
        self._all = _Quoter(token.text for token in named)
        self._structure = _Quoter(token.text for token in named if token.text not in markup)

    def quote_messages(self, messages: Sequence[Mapping[str, Any]], marks: Marks) -> list[dict[str, Any]]:
        """Messages whose control tokens are marked. Roles are ours."""
        return [self._message(message, marks) for message in messages]

    def quote(self, value: Any, marks: Marks) -> Any:
        """Tools, documents and whatever else a template gets."""
        return self._all.quote(value, marks)

    def _message(self, message: Mapping[str, Any], marks: Marks) -> dict[str, Any]:
        quoter = self._structure if message["role"] in _OWN_MARKUP_ROLES else self._all
        return {name: value if name == "role" else quoter.quote(value, marks) for name, value in message.items()}


def _is_markup(token: AddedToken, template: str) -> bool:
    if not token.special and _TAG.fullmatch(token.text):
        return True
    name = re.escape(token.text)
    return re.search(rf"split\(\s*['\"]{name}['\"]|['\"]{name}['\"]\s+(?:not\s+)?in\b", template) is not None
