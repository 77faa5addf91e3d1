"""Which tokens the content is made of."""

from __future__ import annotations

from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st
from vllm_custom.contract.content_tokens import ContentTokens
from vllm_custom.contract.parsed import ParsedChoice


def plain(text):
    return SimpleNamespace(text=text)


def parsed(text, steps=(), **members):
    return ParsedChoice(0, text, [], None, None, None, members, steps=steps)


def told(*fed):
    """The texts of the tokens that each choice tells; a choice comes with the texts of its own tokens."""
    tokens = ContentTokens()
    return [[entry[1] for entry in tokens.feed(choice, [[0, text] for text in texts])] for choice, texts in fed]


def test_end_token_is_no_content():
    """Whatever it is called: its text is never told."""
    assert told((plain("Hi"), ["Hi"]), (plain("!"), ["!"]), (plain(""), ["<|im_end|>"])) == [["Hi"], ["!"], []]
    assert told((plain("Hi!"), ["Hi", "!", "</s>"])) == [["Hi", "!"]]


def test_stop_string_is_no_content():
    """Its tokens wait for a text that does not come; a token that is told in part is told."""
    fed = [(plain("a"), ["a"]), (plain(""), [" b"]), (plain(" "), ["ST"]), (plain("b"), ["OP"])]
    assert told(*fed) == [["a"], [], [" b"], []]
    assert told((plain("one tw"), ["one", " two", " three"])) == [["one", " two"]]


def test_parts_of_a_character_come_with_it():
    """They have no text of their own."""
    fed = [(plain("a"), ["a"]), (plain(""), [""]), (plain(""), [""]), (plain("🎉"), ["🎉"]), (plain("b"), ["b"])]
    assert told(*fed) == [["a"], [], [], ["", "", "🎉"], ["b"]]


def test_reasoning_and_calls_are_no_content():
    """Nor is the markup between them, which a parser holds back."""
    fed = [
        (parsed("", reasoning="Yes"), ["Yes"]),
        (parsed(""), ["</think>"]),
        (parsed("Yes"), ["Yes"]),
        (parsed(""), ["<tool"]),
        (parsed("", tool_calls=[{}]), ["_call>"]),
        (parsed("", tool_calls=[{}]), ['{"']),
        (parsed(""), ["</s>"]),
    ]
    assert told(*fed) == [[], [], ["Yes"], [], [], [], []]


def test_held_back_text_brings_its_tokens():
    """What looked like markup and was none."""
    assert told((parsed("1 "), ["1 "]), (parsed(""), ["<"]), (parsed("< 2"), [" 2"])) == [["1 "], [], ["<", " 2"]]


def test_whole_answer_is_told_by_its_steps():
    """Its text alone does not say which of two equal words was thought."""
    steps = [parsed("", reasoning="Yes"), parsed(""), parsed("Yes"), parsed("")]
    assert told((parsed("Yes", steps, reasoning="Yes"), ["Yes", "</think>", "Yes", "</s>"])) == [["Yes"]]


def test_tokens_that_read_otherwise_by_themselves_are_told():
    """SentencePiece leaves out the space at the beginning of a text, and every token is one."""
    assert told((plain("Hello"), ["Hello"]), (plain(" world"), ["world"]), (plain(""), ["</s>"])) == [
        ["Hello"],
        ["world"],
        [],
    ]


@given(st.lists(st.text(min_size=1, max_size=4), min_size=1, max_size=8), st.data())
def test_all_tokens_of_a_plain_text_are_told_once_and_in_order(texts, data):
    """However late their text comes."""
    whole = "".join(texts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), min_size=len(texts), max_size=len(texts))))
    lengths, upto = [], 0
    for text, cut in zip(texts, cuts, strict=True):
        upto += len(text)
        lengths.append(min(cut, upto))  # no text before its tokens
    lengths[-1] = len(whole)
    starts = [0, *lengths]
    fed = [(plain(whole[a:b]), [text]) for a, b, text in zip(starts, lengths, texts, strict=False)]
    assert [text for each in told(*fed) for text in each] == texts
