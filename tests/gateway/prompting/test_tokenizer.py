"""The model's tokeniser."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from gateway.prompting import tokenizer as module
from gateway.prompting.lanes import Lanes
from gateway.prompting.tokenizer import Tokenizer, Tokenizers
from tests.fakes.tokenizer import toy_tokenizer

pytestmark = pytest.mark.anyio

POST_PROCESSOR = {
    "type": "TemplateProcessing",
    "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
    "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
    "special_tokens": {"<s>": {"id": "<s>", "ids": [0], "tokens": ["<s>"]}},
}


def tokenizer_json(**changes: object) -> bytes:
    return json.dumps({**json.loads(toy_tokenizer().to_str()), **changes}).encode()


async def test_each_text_gets_its_ids() -> None:
    """In order, byte by byte with the toy vocabulary; empty texts have none."""
    ids = await Tokenizer(tokenizer_json()).encode(["ab", "", "é"], add_special_tokens=False)
    assert [len(tokens) for tokens in ids] == [2, 0, 2]
    assert ids[0][1] == ids[0][0] + 1


async def test_special_tokens_only_when_asked() -> None:
    """A chat template has written them already; a plain prompt has not."""
    tokenizer = Tokenizer(tokenizer_json(post_processor=POST_PROCESSOR))
    [[*plain]] = await tokenizer.encode(["a"], add_special_tokens=False)
    [[*special]] = await tokenizer.encode(["a"], add_special_tokens=True)
    assert special == [0, *plain]


async def test_special_tokens_in_text_are_read() -> None:
    """The template's own special tokens become single ids."""
    assert await Tokenizer(tokenizer_json()).encode(["<s></s>"], add_special_tokens=False) == [[0, 1]]


async def test_baked_in_lengths_are_ignored() -> None:
    """Truncation and padding of the file would change prompts silently: lengths are checked by us."""
    tokenizer = Tokenizer(
        tokenizer_json(
            truncation={"direction": "Right", "max_length": 2, "strategy": "LongestFirst", "stride": 0},
            padding={
                "strategy": {"Fixed": 8}, "direction": "Right", "pad_to_multiple_of": None, "pad_id": 0,
                "pad_type_id": 0, "pad_token": "<s>",
            },
        )
    )  # fmt: skip
    assert [len(ids) for ids in await tokenizer.encode(["abcd", "a"], add_special_tokens=False)] == [4, 1]


async def test_long_text_leaves_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Long texts, alone or together, are encoded in another thread, with the same result; short ones in place."""
    left: list[object] = []
    run = Lanes.run

    async def noted(lanes: Lanes, characters: int, work: Callable[[], Any]) -> Any:
        left.append(work)
        return await run(lanes, characters, work)

    monkeypatch.setattr(Lanes, "run", noted)
    tokenizer = Tokenizer(tokenizer_json())
    limit = module.INLINE_CHARACTERS
    for texts, leaves in ((["a" * limit], 0), (["a" * (limit + 1)], 1), (["a" * limit, "b"], 1)):
        left.clear()
        assert [len(ids) for ids in await tokenizer.encode(texts, add_special_tokens=False)] == list(map(len, texts))
        assert len(left) == leaves


async def test_vocabulary_counts_added_tokens() -> None:
    """Two special tokens and 256 bytes."""
    assert Tokenizer(tokenizer_json()).vocabulary_size == 258


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\xff\xfe", b"not json"])
async def test_other_files_are_refused(content: bytes) -> None:
    """With ValueError, which the loader expects."""
    with pytest.raises(ValueError, match="not a tokenizer"):
        Tokenizer(content)


def test_same_file_makes_one_tokenizer() -> None:
    """Models share it as long as one of them has it; another file makes another."""
    shared = Tokenizers()
    first = shared.get(tokenizer_json())
    assert shared.get(tokenizer_json()) is first
    other = shared.get(tokenizer_json(post_processor=POST_PROCESSOR))
    assert other is not first
    with pytest.raises(ValueError, match=r"not a tokenizer\.json"):
        shared.get(b"{}")
