"""Prompts that are tokenised in pieces."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest
import tokenizers
from tokenizers import AddedToken, models, normalizers

from gateway.prompting.conversation import Conversation
from gateway.prompting.cuts import Cuts
from gateway.prompting.prompt import Prompt
from gateway.prompting.segment_cache import SegmentCache
from gateway.prompting.template import ChatTemplate
from gateway.prompting.tokenizer import Tokenizer
from tests.cases.conversations import conversation
from tests.fakes.tokenizer_kinds import CONTROLS, END, EOS, KINDS, START, TEMPLATE, byte_level

CONVERSATIONS = 60
"""Of each kind; `python -m tests.exactness` takes 10,000."""


@pytest.fixture(params=KINDS.values(), ids=KINDS)
def whole(request: pytest.FixtureRequest) -> tokenizers.Tokenizer:
    return request.param()


@pytest.mark.anyio
@pytest.mark.parametrize("adds", [False, True])
async def test_pieces_have_the_ids_of_the_whole(whole: tokenizers.Tokenizer, adds: bool) -> None:
    """New or kept, whatever stands in the messages, with the special tokens around a text and without."""
    tokenizer = Tokenizer(whole.to_str().encode(), segments=SegmentCache(1_000_000))
    template = ChatTemplate(TEMPLATE, {}, tokenizer.added_tokens)
    random = Random(14)
    for _ in range(CONVERSATIONS):
        prompt = template.render(Conversation(conversation(random)))
        expected = whole.encode(prompt.text, add_special_tokens=adds).ids
        for _ in ("new", "kept"):
            assert (await tokenizer.encode_prompt(prompt, add_special_tokens=adds)).tolist() == expected


def test_every_control_token_is_proven(whole: tokenizers.Tokenizer) -> None:
    """In all of these kinds: so their conversations are cut."""
    assert Cuts(whole).tokens >= {*CONTROLS}


def test_piece_is_a_token_and_what_follows() -> None:
    """Text before the first stands alone, and no piece is empty."""
    cuts = Cuts(byte_level())
    assert cuts.pieces(Prompt(f"a{START}b{END}{EOS}")) == [
        ("a", False),
        (f"{START}b", False),
        (END, False),
        (EOS, False),
    ]
    assert cuts.pieces(Prompt("")) == []


def test_so_many_pieces_are_left_whole() -> None:
    """No more than can be joined in little time."""
    cuts = Cuts(byte_level())
    assert len(cuts.pieces(Prompt(END * 50_000))) == 50_000
    assert cuts.pieces(Prompt(END * 50_002)) == [(END * 50_002, False)]


def test_quoted_token_is_in_no_piece_whole() -> None:
    """Neither where all of it is quoted nor where a part is; what lies beside it is cut as ever."""
    cuts = Cuts(byte_level())
    text = f"{START}x{END}{END}"
    assert cuts.pieces(Prompt(text, ((10, 17),))) == [(f"{START}x<", False), ("|end|>", True), (END, False)]
    assert cuts.pieces(Prompt(text, ((16, 17),))) == [(f"{START}x<", False), ("|end|>", True), (END, False)]


def _flagged(**flags: bool) -> tokenizers.Tokenizer:
    tokenizer = byte_level()
    tokenizer.add_special_tokens([AddedToken("<mask>", special=True, **{"normalized": False, **flags})])
    return tokenizer


def _dropout() -> tokenizers.Tokenizer:
    tokenizer = byte_level()
    tokenizer.model = models.BPE(vocab=tokenizer.get_vocab(), merges=[], dropout=0.1)
    return tokenizer


def _beginning() -> tokenizers.Tokenizer:
    """What a text begins with is changed once, before anything is found in it: no token is found as it is written."""
    tokenizer = tokenizers.Tokenizer(byte_level().model)
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.add_special_tokens([AddedToken(text, special=True, normalized=True) for text in CONTROLS])
    return tokenizer


@pytest.mark.parametrize(
    ("make", "cuttable"),
    [
        (lambda: _flagged(lstrip=True), {*CONTROLS}),
        (lambda: _flagged(rstrip=True), {*CONTROLS, "<mask>"}),
        (lambda: _flagged(single_word=True), set[str]()),
        (_dropout, set[str]()),
        (_beginning, set[str]()),
        (lambda: tokenizers.Tokenizer(models.BPE()), set[str]()),
    ],
    ids=["space before", "space behind", "single word", "by lot", "normalised", "no tokens"],
)
def test_cut_only_where_it_is_safe(make: Callable[[], tokenizers.Tokenizer], cuttable: set[str]) -> None:
    """A token that takes the space before it needs the text before it; one that must stand alone needs both."""
    assert Cuts(make()).tokens & {*CONTROLS, "<mask>"} == cuttable
