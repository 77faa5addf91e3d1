"""The text of an answer, token by token: what a stream would have brought of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

_UNFINISHED = "\ufffd"


def pieces(tokenizer: Any, token_ids: Sequence[int], text: str, *, skip_special_tokens: bool) -> Iterator[str]:
    """What each token adds to `text`, which may end before the last of them does (at a stop string). A character comes with
    the last of its tokens. Only the tokens since the last whole character, and those of the piece before it, are decoded: a
    tokenizer may write a token differently at the beginning of a text."""
    told, begin, read = 0, 0, 0
    for end in range(1, len(token_ids) + 1):
        before: str = tokenizer.decode(list(token_ids[begin:read]), skip_special_tokens=skip_special_tokens)
        upto: str = tokenizer.decode(list(token_ids[begin:end]), skip_special_tokens=skip_special_tokens)
        if upto.endswith(_UNFINISHED) or len(upto) < len(before):
            yield ""
            continue
        piece = upto[len(before) :][: len(text) - told]
        told += len(piece)
        begin, read = read, end
        yield piece
