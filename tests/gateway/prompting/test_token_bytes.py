"""The bytes of tokens that are no whole characters, in vocabularies of both kinds."""

from __future__ import annotations

import tokenizers
from tokenizers import decoders, models, pre_tokenizers

from gateway.prompting.token_bytes import TokenBytes

WAVE = "👋"


def byte_level() -> tokenizers.Tokenizer:
    """A token a byte."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = tokenizers.Tokenizer(models.BPE({piece: number for number, piece in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def byte_fallback() -> tokenizers.Tokenizer:
    """As SentencePiece's: a character that the vocabulary lacks is written by its bytes."""
    vocabulary = {"é": 0, "<unk>": 1} | {f"<0x{byte:02X}>": 2 + byte for byte in range(256)}
    tokenizer = tokenizers.Tokenizer(models.BPE(vocabulary, [], byte_fallback=True, unk_token="<unk>"))
    tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
    return tokenizer


def test_every_byte_of_a_character_is_its_token() -> None:
    """Together they are the character."""
    for tokenizer in (byte_level(), byte_fallback()):
        ids = tokenizer.encode(WAVE, add_special_tokens=False).ids
        assert len(ids) == 4
        parts = [TokenBytes(tokenizer).part(token_id) for token_id in ids]
        assert b"".join(part or b"" for part in parts).decode() == WAVE


def test_whole_characters_have_no_parts() -> None:
    """Their text says it all, also where the vocabulary writes other bytes by that character; so for an id that is none."""
    level, fallback = byte_level(), byte_fallback()
    assert TokenBytes(level).part(level.encode("a").ids[0]) is None
    assert TokenBytes(fallback).part(0) is None
    assert TokenBytes(fallback).part(9999) is None


def test_tokens_are_looked_up_once() -> None:
    """They come again and again."""
    tokenizer = byte_level()
    parts = TokenBytes(tokenizer)
    token_id = tokenizer.encode(WAVE).ids[0]
    assert parts.part(token_id) is parts.part(token_id)
