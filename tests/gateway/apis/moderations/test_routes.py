"""`/v1/moderations` as the official SDK sees it."""

from __future__ import annotations

import openai
import pytest

from tests.fakes.triton import MODERATION_MODEL


def test_sdk_reads_moderations(sdk: openai.OpenAI) -> None:
    """Every category for every text; id 7 of the toy vocabulary, an apostrophe's neighbour, is what it finds rude."""
    rude = "&"
    answer = sdk.moderations.create(input=["kind", rude], model=MODERATION_MODEL)
    assert answer.model == MODERATION_MODEL
    assert [result.flagged for result in answer.results] == [False, True]
    assert answer.results[1].categories.harassment
    assert not answer.results[1].categories.violence
    assert answer.results[1].category_scores.harassment == pytest.approx(0.9)
    parts = sdk.moderations.create(input=[{"type": "text", "text": "kind"}, {"type": "text", "text": rude}])
    assert [result.flagged for result in parts.results] == [True]
