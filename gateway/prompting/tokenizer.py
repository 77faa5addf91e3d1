"""Text to token ids, by the `tokenizer.json` of the model.

`Tokenizer.encode` of the library holds the GIL: a long text would stop the event loop even from another thread.
`encode_batch_fast` releases it, so long texts go there, in a thread (`lanes.py`); short ones are quicker in place than the
way to a thread and back. `decode` and `decode_batch` are the same pair.

A prompt that a template has written is cut at its control tokens (`cuts.py`), and only those pieces are tokenised that have
not been met before (`segment_cache.py`).
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Sequence
from itertools import count
from typing import Any, Final
from weakref import WeakValueDictionary

import tokenizers

from gateway import memory
from gateway.prompting.controls import AddedToken
from gateway.prompting.cuts import Cuts, Piece
from gateway.prompting.foreign import ForeignControls
from gateway.prompting.lanes import Lanes
from gateway.prompting.prompt import Prompt
from gateway.prompting.segment_cache import SegmentCache
from gateway.prompting.token_bytes import TokenBytes

INLINE_CHARACTERS = 1024
"""Texts up to this length (together) are encoded on the event loop: well under a millisecond."""

_NUMBERS: Final = count(step=4)
"""No two tokenisers of a process make the same segments; each makes them in four ways."""


class Tokenizer:
    """A model's tokeniser. Truncation and padding baked into the file are switched off: lengths are ours to check."""

    def __init__(self, tokenizer_json: bytes, lanes: Lanes | None = None, segments: SegmentCache | None = None) -> None:
        """Raises ValueError when the file is none. The tokenisers of a worker share `lanes` and `segments`."""
        try:
            self._tokenizer = tokenizers.Tokenizer.from_buffer(tokenizer_json)
        except Exception as error:  # the library raises bare Exception
            raise ValueError(f"not a tokenizer.json: {error}") from error
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self.bytes = TokenBytes(self._tokenizer)
        self._lanes = lanes or Lanes()
        self._segments = segments or SegmentCache(0)
        self._number = next(_NUMBERS)
        self._cuts = Cuts(self._tokenizer)
        self._foreign = ForeignControls(self._tokenizer, self._cuts.context or "")
        self._around = self._what_is_added()

    @property
    def vocabulary_size(self) -> int:
        """Number of ids, added tokens included."""
        return self._tokenizer.get_vocab_size(with_added_tokens=True)

    def token_id(self, text: str) -> int | None:
        """The id of the token with this text; None where there is none."""
        return self._tokenizer.token_to_id(text)

    @property
    def added_tokens(self) -> list[AddedToken]:
        """The tokens that it finds in a text before all else."""
        tokens: dict[int, Any] = self._tokenizer.get_added_tokens_decoder()
        return [AddedToken(token.content, token.special) for token in tokens.values()]

    async def encode(self, texts: Sequence[str], *, add_special_tokens: bool) -> list[list[int]]:
        """The ids of each text, in which special tokens are read as such."""
        characters = sum(map(len, texts))
        if characters <= INLINE_CHARACTERS:
            encode = self._tokenizer.encode
            return [encode(text, add_special_tokens=add_special_tokens).ids for text in texts]
        return await self._lanes.run(characters, lambda: self._encode_batch(texts, add_special_tokens))

    def _encode_batch(self, texts: Sequence[str], add_special_tokens: bool) -> list[list[int]]:
        encodings = self._tokenizer.encode_batch_fast(list(texts), add_special_tokens=add_special_tokens)
        return [encoding.ids for encoding in encodings]

    async def encode_prompt(self, prompt: Prompt, *, add_special_tokens: bool = False) -> array[int]:
        """The ids of what a template has written; special tokens are the template's, which is why none are added. Raises
        BadRequest where a client's text can't be kept from becoming one."""
        pieces = self._cuts.pieces(prompt)
        made_by = self._number + (2 if prompt.quoted is None else 0)
        keys = [(made_by + continues, text) for text, continues in pieces]
        found = list(map(self._segments.get, keys))
        new = {key: piece for key, piece, ids in zip(keys, pieces, found, strict=True) if ids is None}
        if new:
            made = dict(zip(new, await self._made([*new.values()], checked=prompt.quoted is not None), strict=True))
            for key, ids in made.items():
                self._segments.put(key, ids)
            found = [made[key] if ids is None else ids for key, ids in zip(keys, found, strict=True)]
        joined = array("i", b"".join(filter(None, found)))
        return self._around[0] + joined + self._around[1] if add_special_tokens else joined

    async def _made(self, pieces: list[Piece], *, checked: bool) -> list[bytes]:
        characters = sum(len(text) for text, _ in pieces)
        if characters <= INLINE_CHARACTERS:
            return self._pieces_ids(pieces, checked)
        return await self._lanes.run(characters, lambda: self._pieces_ids(pieces, checked))

    def _pieces_ids(self, pieces: list[Piece], checked: bool) -> list[bytes]:
        context = self._cuts.context or ""
        rows = self._encode_batch([context + text if continues else text for text, continues in pieces], False)
        made: list[bytes] = []
        for piece, row in zip(pieces, rows, strict=True):
            text, continues = piece
            ids = row[1:] if continues and context else row
            if checked and not self._foreign.is_without(text, ids):
                ids = self._foreign.without(piece)
            made.append(array("i", ids).tobytes())
        return made

    def _what_is_added(self) -> tuple[array[int], array[int]]:
        """The special tokens that go before and behind a text."""
        [bare], [whole] = self._encode_batch(["a"], False), self._encode_batch(["a"], True)
        places = range(len(whole) - len(bare) + 1)
        place = next((place for place in places if whole[place : place + len(bare)] == bare), 0)
        return array("i", whole[:place]), array("i", whole[place + len(bare) :])

    def decode(self, token_ids: Sequence[int]) -> str:
        """The text of these tokens, special ones too."""
        return self._tokenizer.decode(list(token_ids), skip_special_tokens=False)

    async def text(self, token_ids: Sequence[int]) -> str:
        """As `decode`, for any number of tokens: many are decoded off the event loop."""
        if len(token_ids) <= INLINE_CHARACTERS:
            return self.decode(token_ids)
        [text] = await self._lanes.run(len(token_ids), lambda: self._decode_batch(token_ids))
        return text

    def _decode_batch(self, token_ids: Sequence[int]) -> list[str]:
        return self._tokenizer.decode_batch([list(token_ids)], skip_special_tokens=False)

    async def pieces(self, token_ids: Sequence[int]) -> list[str]:
        """The tokens as the vocabulary writes them, which is not text: `Ġthe`. An id that it lacks is an empty piece."""
        if len(token_ids) <= INLINE_CHARACTERS:
            return self._pieces(token_ids)
        return await self._lanes.run(len(token_ids), lambda: self._pieces(token_ids))

    def _pieces(self, token_ids: Sequence[int]) -> list[str]:
        return [self._tokenizer.id_to_token(token_id) or "" for token_id in token_ids]


class Tokenizers:
    """One for each file, however many models have the same: one of 50,000 tokens takes 15 MB."""

    def __init__(self, lanes: Lanes | None = None, segments: SegmentCache | None = None) -> None:
        """Without `segments` no piece of a prompt is kept."""
        self._by_digest: WeakValueDictionary[bytes, Tokenizer] = WeakValueDictionary()
        self._lanes = lanes or Lanes()
        self._segments = segments or SegmentCache(0)

    def get(self, tokenizer_json: bytes) -> Tokenizer:
        """The tokeniser that the file makes. Raises ValueError when it makes none. Any thread may call."""
        digest = hashlib.sha256(tokenizer_json).digest()
        tokenizer = self._by_digest.get(digest)
        if tokenizer is None:
            tokenizer = self._by_digest[digest] = Tokenizer(tokenizer_json, self._lanes, self._segments)
            memory.give_back()  # parsing needs twice what it makes
        return tokenizer
