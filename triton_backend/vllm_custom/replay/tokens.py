"""The replay engine's tokens: a real tokenizer, so that counts and ids are those of the model it stands in for."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

# Banned elsewhere because the gateway tokenises; here it stands in for the tokenizer inside vLLM.
import tokenizers  # noqa: TID251

from ..contract.generate import Generate
from ..errors import BadRequest
from .script import Token

# What an image counts.
IMAGE_TOKENS = 16


class Tokenizer:
    """The tokenizer of one folder."""

    def __init__(self, path: Path) -> None:
        self._tokenizer = tokenizers.Tokenizer.from_file(str(path))
        self.vocab_size = self._tokenizer.get_vocab_size()
        # A script has few texts, which come again and again.
        self.tokens = lru_cache(64)(self._tokens)

    def prompt(self, request: Generate) -> tuple[str, Sequence[int]]:
        """The prompt's text and its tokens, zeros for images; raises BadRequest for an id that no token has."""
        if request.conversation is not None:
            text = request.conversation.text()
            return text, self._tokenizer.encode(text).ids + [0] * (IMAGE_TOKENS * len(request.conversation.images))
        if request.token_ids is None:
            text = request.prompt or ""
            return text, self._tokenizer.encode(text).ids
        if max(request.token_ids) >= self.vocab_size:
            raise BadRequest(f"token id {max(request.token_ids)} is out of vocabulary", param="token_ids")
        text = self._tokenizer.decode(list(request.token_ids), skip_special_tokens=False)
        return text, request.token_ids

    def ids(self, text: str) -> list[int]:
        return self._tokenizer.encode(text).ids

    def _tokens(self, text: str) -> Sequence[Token]:
        """The tokens of a text; each carries the characters that are complete with it, so that together they are it."""
        encoding = self._tokenizer.encode(text, add_special_tokens=False)
        ids, offsets = encoding.ids, encoding.offsets  # each access makes the whole list anew
        tokens: list[Token] = []
        covered = 0
        last = len(ids) - 1
        for index, (token_id, (_, end)) in enumerate(zip(ids, offsets, strict=True)):
            # Several tokens of one character all span it: the last of them carries it.
            following = offsets[index + 1][0] if index < last else len(text)
            upto = len(text) if index == last else min(end, max(following, covered))
            tokens.append(Token(token_id, text[covered:upto]))
            covered = upto
        return tokens

    def name(self, token_id: int) -> str:
        return self._tokenizer.decode([token_id], skip_special_tokens=False)
