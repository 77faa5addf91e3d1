"""Which of a choice's tokens its content is made of (pure).

An engine tells log probabilities of all tokens: of the reasoning, of the markup of calls, of the token or string that ended
the answer. OpenAI's `logprobs.content` has those of the content. Text comes later than its tokens, because an engine holds
back what may be a stop string, and a parser what may be markup. So tokens wait here until their text is told.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from .outputs import ChoiceOutput
from .parsed import ParsedChoice


class _Waiting(NamedTuple):
    """A token with the part of its text that has not been told; without `entry` it has been told already."""

    entry: list[Any] | None
    text: str


class ContentTokens:
    """The tokens of one choice. An entry is a token as the contract writes it: `[token_id, token, …]`."""

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        self._waiting: list[_Waiting] = []

    def feed(self, choice: ChoiceOutput, entries: Sequence[list[Any]]) -> list[list[Any]]:
        """The tokens of the content that `choice` tells, of `entries`, which are its own, and of those before. Linear in
        what is told and what waits, which is little."""
        steps = choice.steps if isinstance(choice, ParsedChoice) else ()
        if not steps:
            return self._told(choice, entries)
        told: list[list[Any]] = []
        for step, entry in zip(steps, entries, strict=False):
            told += self._told(step, [entry])
        return told

    def _told(self, choice: ChoiceOutput, entries: Sequence[list[Any]]) -> list[list[Any]]:
        self._waiting += [_Waiting(entry, entry[1]) for entry in entries]
        told = self._taken(choice.text) if choice.text else []
        if isinstance(choice, ParsedChoice) and choice.parsed:
            # Reasoning or calls: what they are made of is no content.
            self._waiting.clear()
        return told

    def _taken(self, content: str) -> list[list[Any]]:
        text = "".join([token.text for token in self._waiting])
        begin = text.find(content)
        if begin < 0:
            # Tokens by themselves read otherwise than together (a leading space, say).
            waiting, self._waiting = self._waiting, []
            return [token.entry for token in waiting if token.entry is not None]
        end, at = begin + len(content), 0
        told: list[list[Any]] = []
        rest: list[_Waiting] = []
        for token in self._waiting:
            start, at = at, at + len(token.text)
            if start >= end:
                rest.append(token)
                continue
            # A part of a character has no text; it is told with the part that completes it.
            if token.entry is not None and (at > begin or (start == begin and not token.text)):
                told.append(token.entry)
            if at > end:
                rest.append(_Waiting(None, token.text[end - start :]))
        self._waiting = rest
        return told
