"""How many tokens are reasoning, by a parser that counts from the token that opens a thought."""

from __future__ import annotations

import pytest
from vllm_custom.engine.reasoning_tokens import reasoning_tokens

OPEN, CLOSE, WORD, END = range(4)


class Parser:
    def __init__(self, *, reasons=True):
        self.reasoning_parser = self if reasons else None

    def count_reasoning_tokens(self, token_ids):
        if OPEN not in token_ids:
            return 0
        begun = list(token_ids)[list(token_ids).index(OPEN) + 1 :]
        return begun.index(CLOSE) if CLOSE in begun else len(begun)

    def is_reasoning_end(self, token_ids):
        return CLOSE in token_ids


@pytest.mark.parametrize(
    ("ids", "reasoned", "ended_itself", "count"),
    [
        ([OPEN, WORD, WORD, CLOSE, WORD, END], True, True, 2),
        ([WORD, WORD, CLOSE, WORD, END], True, True, 2),
        ([WORD, WORD, WORD], True, False, 3),
        ([WORD, WORD, END], True, True, 2),
        ([CLOSE, WORD], True, False, 0),
        ([WORD, WORD, END], False, True, 0),
        ([], False, False, 0),
    ],
)
def test_thought_counts_whoever_opened_it(ids, reasoned, ended_itself, count):
    """The answer or the prompt; without a thought nothing does."""
    assert reasoning_tokens(Parser(), ids, reasoned=reasoned, ended_itself=ended_itself) == count


def test_nothing_is_counted_without_a_reasoning_parser():
    """Which is another thing than no tokens."""
    assert reasoning_tokens(Parser(reasons=False), [WORD], reasoned=False, ended_itself=True) is None
