"""Text to token ids, by the `tokenizer.json` of the model.

`Tokenizer.encode` of the library holds the GIL: a long text would stop the event loop even from another thread.
`encode_batch_fast` releases it, so long texts go there, in a thread; short ones are quicker in place than the way to a
thread and back. `decode` and `decode_batch` are the same pair.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from weakref import WeakValueDictionary

import tokenizers

from gateway import memory
from gateway.prompting.token_bytes import TokenBytes

INLINE_CHARACTERS = 1024
"""Texts up to this length (together) are encoded on the event loop: well under a millisecond."""


class Tokenizer:
    """A model's tokeniser. Truncation and padding baked into the file are switched off: lengths are ours to check."""

    def __init__(self, tokenizer_json: bytes) -> None:
        """Raises ValueError when the file is none."""
        try:
            self._tokenizer = tokenizers.Tokenizer.from_buffer(tokenizer_json)
        except Exception as error:  # the library raises bare Exception
            raise ValueError(f"not a tokenizer.json: {error}") from error
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self.bytes = TokenBytes(self._tokenizer)

    @property
    def vocabulary_size(self) -> int:
        """Number of ids, added tokens included."""
        return self._tokenizer.get_vocab_size(with_added_tokens=True)

    async def encode(self, texts: Sequence[str], *, add_special_tokens: bool) -> list[list[int]]:
        """The ids of each text. `add_special_tokens` is False after a chat template, which writes them itself."""
        if sum(map(len, texts)) <= INLINE_CHARACTERS:
            encode = self._tokenizer.encode
            return [encode(text, add_special_tokens=add_special_tokens).ids for text in texts]
        return await asyncio.to_thread(self._encode_batch, texts, add_special_tokens)

    def _encode_batch(self, texts: Sequence[str], add_special_tokens: bool) -> list[list[int]]:
        encodings = self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=add_special_tokens)
        return [encoding.ids for encoding in encodings]

    def decode(self, token_ids: Sequence[int]) -> str:
        """The text of these tokens, special ones too."""
        return self._tokenizer.decode(list(token_ids), skip_special_tokens=False)

    async def text(self, token_ids: Sequence[int]) -> str:
        """As `decode`, for any number of tokens: many are decoded off the event loop."""
        if len(token_ids) <= INLINE_CHARACTERS:
            return self.decode(token_ids)
        [text] = await asyncio.to_thread(self._tokenizer.decode_batch, [list(token_ids)], skip_special_tokens=False)
        return text

    async def pieces(self, token_ids: Sequence[int]) -> list[str]:
        """The tokens as the vocabulary writes them, which is not text: `Ġthe`. An id that it lacks is an empty piece."""
        if len(token_ids) <= INLINE_CHARACTERS:
            return self._pieces(token_ids)
        return await asyncio.to_thread(self._pieces, token_ids)

    def _pieces(self, token_ids: Sequence[int]) -> list[str]:
        return [self._tokenizer.id_to_token(token_id) or "" for token_id in token_ids]


class Tokenizers:
    """One for each file, however many models have the same: one of 50,000 tokens takes 15 MB."""

    def __init__(self) -> None:
        self._by_digest: WeakValueDictionary[bytes, Tokenizer] = WeakValueDictionary()

    def get(self, tokenizer_json: bytes) -> Tokenizer:
        """The tokeniser that the file makes. Raises ValueError when it makes none. Any thread may call."""
        digest = hashlib.sha256(tokenizer_json).digest()
        tokenizer = self._by_digest.get(digest)
        if tokenizer is None:
            tokenizer = self._by_digest[digest] = Tokenizer(tokenizer_json)
            memory.give_back()  # parsing needs twice what it makes
        return tokenizer
