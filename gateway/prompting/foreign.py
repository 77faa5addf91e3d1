"""Finds control tokens that come of a client's text although none stands there as it is written, and prevents them.

Where the tokeniser normalises (full-width brackets, capitals), or has its control tokens in its model's vocabulary as
well, a text may become a control token without looking like one, or in spite of having been cut. What came is compared with
what the template wrote, and the text is cut within whatever made the difference.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final

import tokenizers

from gateway.prompting.controls import longest_of
from gateway.prompting.cuts import Piece, indistinguishable

_MOST_TRIES: Final = 4
_STRANGE: Final = "\U0010fffd"
"""What no vocabulary has: what becomes of it is the token for unknown text, which any text may have."""


class ForeignControls:
    """Those of one tokeniser. `context` is put before a text that nothing starts."""

    def __init__(self, tokenizer: tokenizers.Tokenizer, context: str) -> None:
        self._tokenizer = tokenizer
        self._context = context
        added: dict[int, Any] = tokenizer.get_added_tokens_decoder()
        unknown: set[int | None] = {*tokenizer.encode(_STRANGE, add_special_tokens=False).ids}
        unknown.add(tokenizer.token_to_id(getattr(tokenizer.model, "unk_token", None) or ""))
        self._controls = {token.content: number for number, token in added.items() if token.special}
        self._ids = frozenset({*self._controls.values()} - unknown)
        self._written = longest_of(text for text, number in self._controls.items() if number in self._ids)

    def is_without(self, text: str, ids: Sequence[int]) -> bool:
        """Whether the control tokens among the ids are those that stand in the text."""
        written = [self._controls[found.group()] for found in self._written.finditer(text)]
        if len(written) <= 1:  # as nearly always: at the beginning, and a long text should cost no loop
            rest = ids[1:] if written and ids and ids[0] == written[0] else ids
            if self._ids.isdisjoint(rest):
                return True
        return written == [each for each in ids if each in self._ids]

    def without(self, piece: Piece, tries: int = _MOST_TRIES) -> list[int]:
        """The ids of the text without any control token that does not stand in it. Raises BadRequest where that can't be."""
        text, continues = piece
        before = self._context if continues else ""
        [encoding] = self._tokenizer.encode_batch([before + text], add_special_tokens=False)
        ids: list[int] = encoding.ids[1:] if before else encoding.ids
        offsets: list[tuple[int, int]] = encoding.offsets[1:] if before else encoding.offsets
        spans = [
            (start - len(before), end - len(before))
            for each, (start, end) in zip(ids, offsets, strict=True)
            # A single letter does not look like any; some files call the bytes of rare letters special.
            if each in self._ids
            and end - start > 1
            and self._controls.get(text[start - len(before) : end - len(before)].strip()) != each
        ]
        if not spans:
            return ids
        if not tries:
            raise indistinguishable()
        places = [0, *(start + 1 for start, _ in spans), len(text)]
        pieces = [(text[here:there], here > 0 or continues) for here, there in pairwise(places)]
        return [each for part in pieces for each in self.without(part, tries - 1)]
