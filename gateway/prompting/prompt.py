"""A prompt as the tokeniser needs it: its text, and which of it is not the template's."""

from __future__ import annotations

from typing import NamedTuple


class Prompt(NamedTuple):
    """`quoted`: the spans of `text` that look like control tokens, wholly or in part, and were written by a client: they
    never become control tokens. None: whatever looks like one becomes one, as in a prompt that a client sends whole."""

    text: str
    quoted: tuple[tuple[int, int], ...] | None = ()
