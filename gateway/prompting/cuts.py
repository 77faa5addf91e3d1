"""Where a prompt may be cut so that its pieces, each tokenised alone, have the ids of the whole.

The library cuts a text at its added tokens before it normalises and splits anything, and treats what lies between them each
for itself. So a piece is such a token with the text behind it, up to the next. That holds for a token that takes no space
before it, is found in the text as it is written and wherever it stands; and each is tried when the tokeniser is loaded.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any, Final, TypeAlias

import tokenizers

from gateway.errors import BadRequest
from gateway.prompting.controls import longest_of
from gateway.prompting.prompt import Prompt

_PROBES: Final = (
    "", "a", " a", "a ", "\n", "\n\n", "  ", " \n a", "user\n", "A b", "don't", "'s", "1", "12", " 12 ", ".", "...", "?!",
    "<", ">", "<|", "|>", "_", "▁", "▁a", "é", "e\u0301", "\u0301", "\u200d", "日本", "\u3000", "ﬁ", "🎉", "👩\u200d👩",
    "\t", "\r\n", "\u00a0", "Ⅳ", "ŉ",
)  # fmt: skip
"""Texts whose ends are treated in ways of their own by one kind of tokeniser or another."""


_MOST_PIECES: Final = 50_000
"""What has more is tokenised whole, off the event loop: joining so many would hold it."""

Piece: TypeAlias = tuple[str, bool]
"""A text, and whether it goes on from another, so that a tokeniser must not treat it as the beginning of one. A plain tuple,
because a conversation has hundreds."""


class Cuts:
    """The cuts of one tokeniser. `tokens` may have one before them; `context` is one of those."""

    def __init__(self, tokenizer: tokenizers.Tokenizer) -> None:
        added: dict[int, Any] = tokenizer.get_added_tokens_decoder()
        self._any = longest_of(token.content for token in added.values())
        self._letters = frozenset(token.content for token in added.values() if len(token.content) == 1)
        as_written = [token for token in added.values() if not token.normalized]
        if not as_written and tokenizer.normalizer is None:
            as_written = list(added.values())
        self._as_written = longest_of(token.content for token in as_written)
        self.tokens = frozenset(_proven(tokenizer, _candidates(tokenizer, as_written)))
        self._all_proven = len(self.tokens) == len(as_written)
        self.context = min(self.tokens, default=None)

    def pieces(self, prompt: Prompt) -> list[Piece]:
        """The pieces of a prompt, in order; no token that is quoted in it is in a piece whole. Raises BadRequest where a
        token is a single letter, which can't be cut."""
        text = prompt.text
        if prompt.quoted:
            cuts = self._around(text, prompt.quoted)
            ends = [*cuts, len(text)]
            return [
                (text[start:end], continues)
                for start, end, continues in zip([0, *cuts], ends, [False, *cuts.values()], strict=True)
                if start < end
            ]
        starts = self._before_tokens(text)
        if len(starts) > _MOST_PIECES:
            return [(text, False)]
        return [
            (text[start:end], False)
            for start, end in zip([0, *starts], [*starts, len(text)], strict=True)
            if start < end
        ]

    def _before_tokens(self, text: str) -> list[int]:
        if self._all_proven:
            return [found.start() for found in self._as_written.finditer(text)]
        return [found.start() for found in self._as_written.finditer(text) if found.group() in self.tokens]

    def _around(self, text: str, quoted: Sequence[tuple[int, int]]) -> dict[int, bool]:
        """The places to cut at, each with whether a text goes on there: within whatever a client wrote like a token."""
        cuts: dict[int, bool] = {}
        starts = [start for start, _ in quoted]
        place = 0
        while (found := self._any.search(text, place)) is not None:
            before = bisect_right(starts, found.end() - 1) - 1
            if before >= 0 and quoted[before][1] > found.start():
                if text[found.start()] in self._letters:
                    raise indistinguishable()
                place = found.start() + 1
                if place < len(text):
                    cuts[place] = True
            else:
                place = found.end()
                if found.start() and found.group() in self.tokens:
                    cuts[found.start()] = False
        return cuts


def indistinguishable() -> BadRequest:
    """What a client is told whose text would become a control token however it is tokenised."""
    return BadRequest(
        "The text of the messages can't be told from this model's special tokens.",
        param="messages",
        code="invalid_value",
    )


def _candidates(tokenizer: tokenizers.Tokenizer, as_written: Sequence[Any]) -> list[str]:
    """The tokens that may do; none if a token's being found depends on more than its text, or ids are drawn by lot."""
    takes_space = any(token.lstrip or token.rstrip for token in as_written)
    if (
        any(token.single_word for token in tokenizer.get_added_tokens_decoder().values())
        or (takes_space and any(token.content != token.content.strip() for token in as_written))
        or getattr(tokenizer.model, "dropout", None)
    ):
        return []
    return [token.content for token in as_written if token.content and not token.lstrip]


def _proven(tokenizer: tokenizers.Tokenizer, candidates: Sequence[str]) -> list[str]:
    """Those before which all probes may be cut."""
    probes = [*_PROBES, *candidates[:4]]
    probes += probes[::-1] + probes[::2]
    wholes = _ids(tokenizer, [token.join(probes) for token in candidates])
    proven: list[str] = []
    for token, whole in zip(candidates, wholes, strict=True):
        pieces = _ids(tokenizer, [probes[0], *(token + probe for probe in probes[1:])])
        if [each for piece in pieces for each in piece] == whole:
            proven.append(token)
    return proven


def _ids(tokenizer: tokenizers.Tokenizer, texts: list[str]) -> list[list[int]]:
    encodings = tokenizer.encode_batch_fast(texts, add_special_tokens=False)
    return [encoding.ids for encoding in encodings]
