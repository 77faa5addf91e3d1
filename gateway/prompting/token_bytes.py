"""The bytes of tokens that are no whole characters."""

from __future__ import annotations

import re
from typing import Final

import tokenizers

_BYTE_PIECE: Final = re.compile(r"<0x([0-9A-F]{2})>")


def _bytes_by_character() -> dict[str, int]:
    """How byte-level vocabularies write bytes: those that print as themselves, the others from U+0100 on
    (https://github.com/openai/gpt-2, `bytes_to_unicode`)."""
    printed = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printed]
    return {chr(byte): byte for byte in printed} | {chr(256 + place): byte for place, byte in enumerate(others)}


_BYTES: Final = _bytes_by_character()


class TokenBytes:
    """The bytes of a tokeniser's tokens, where their text can't show them. Each is looked up once."""

    def __init__(self, tokenizer: tokenizers.Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._parts: dict[int, bytes | None] = {}

    def part(self, token_id: int) -> bytes | None:
        """The bytes of a token that begins or ends within a character; None for any other."""
        if token_id not in self._parts:
            self._parts[token_id] = self._part(token_id)
        return self._parts[token_id]

    def _part(self, token_id: int) -> bytes | None:
        if "\ufffd" not in self._tokenizer.decode([token_id], skip_special_tokens=False):
            return None
        piece = self._tokenizer.id_to_token(token_id) or ""
        if (byte := _BYTE_PIECE.fullmatch(piece)) is not None:
            return bytes.fromhex(byte[1])
        return bytes(_BYTES[character] for character in piece) if all(map(_BYTES.__contains__, piece)) else None
