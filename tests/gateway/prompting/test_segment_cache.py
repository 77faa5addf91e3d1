"""The segments that a worker keeps."""

from __future__ import annotations

import pytest

from gateway.prompting.prompt import Prompt
from gateway.prompting.segment_cache import SegmentCache
from gateway.prompting.tokenizer import Tokenizer
from tests.fakes.tokenizer_kinds import END, START, byte_level

KIB = 1024


def test_what_was_kept_comes_back() -> None:
    """By tokeniser and text."""
    cache = SegmentCache(64 * KIB)
    cache.put((0, "a"), b"1")
    assert [cache.get(key) for key in ((0, "a"), (1, "a"), (0, "b"))] == [b"1", None, None]


def test_memory_is_bounded() -> None:
    """Whatever is put in, texts of several bytes a letter too; what was used last stays."""
    cache = SegmentCache(64 * KIB)
    cache.put((0, "first"), b"1")
    for number in range(1000):
        cache.put((0, f"{number}" + "日" * 300), b"x" * 400)
        assert cache.used_bytes <= 64 * KIB
        assert cache.get((0, "first")) == b"1"
    assert cache.used_bytes > 60 * KIB
    assert cache.get((0, "0" + "日" * 300)) is None


def test_large_ones_do_not_push_all_others_out() -> None:
    """One that would take much of it is not kept, and nothing is where nothing may be."""
    cache = SegmentCache(64 * KIB)
    cache.put((0, "a"), b"x" * 9 * KIB)
    assert cache.used_bytes == 0
    nothing = SegmentCache(0)
    nothing.put((0, "a"), b"1")
    assert nothing.get((0, "a")) is None


def test_same_segment_counts_once() -> None:
    """Two requests may make it at a time."""
    cache = SegmentCache(64 * KIB)
    cache.put((0, "a"), b"1")
    used = cache.used_bytes
    cache.put((0, "a"), b"1")
    assert cache.used_bytes == used


@pytest.mark.anyio
async def test_only_what_is_new_is_tokenised(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a conversation that has grown, and of one that shares its beginning with another; each piece once."""
    tokenizer = Tokenizer(byte_level().to_str().encode(), segments=SegmentCache(64 * KIB))
    made: list[list[str]] = []
    batch = tokenizer._encode_batch

    def noted(texts: list[str], add_special_tokens: bool) -> list[list[int]]:
        made.append(texts)
        return batch(texts, add_special_tokens)

    monkeypatch.setattr(tokenizer, "_encode_batch", noted)
    system, first, second = (f"{START}{text}" for text in ("Be brief.", "Hello", "Bye"))
    await tokenizer.encode_prompt(Prompt(system + END + first + END))
    await tokenizer.encode_prompt(Prompt(system + END + first + END + second + END + second))
    await tokenizer.encode_prompt(Prompt(system + END + second + END))
    await tokenizer.encode_prompt(Prompt(system + END + second + END, quoted=None))
    assert made == [[system, END, first], [second], [system, END, second]]
