"""What every model has: what its description says of it, and the tokeniser among its files."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.models.served import ModelNotServable, generates
from tests.fakes.models import TOKENIZER_JSON, generating, source


@pytest.mark.parametrize(
    ("description", "expected"),
    [
        ({}, True),
        ({"tasks": ["generate"]}, True),
        ({"tasks": ["embed", "generate"]}, True),
        ({"tasks": ["embed"]}, False),
        ({"tasks": []}, False),
    ],
)
def test_silence_means_generating(description: dict[str, Any], expected: bool) -> None:
    """A backend that is older than the tasks says nothing of them."""
    assert generates(description) is expected


def test_source_makes_the_tokenizer() -> None:
    """Out of its file, and one for all models with the same."""
    first = source(files={"tokenizer.json": TOKENIZER_JSON})
    assert first.tokenizer() is first.tokenizer()


def test_source_without_tokenizer_is_not_servable() -> None:
    """It says what is missing; a file that is none is the loader's to report."""
    with pytest.raises(ModelNotServable, match=r"no tokenizer\.json"):
        source(files={}).tokenizer()
    with pytest.raises(ModelNotServable, match=r"tokenizer\.json can't be used"):
        source(files={"tokenizer.json": b"{}"}).tokenizer()


def test_model_is_known_here_in_parts() -> None:
    """The template of one whose backend applies it is not the gateway's to use."""
    assert generating().known_template is not None
    assert generating(renders_itself=True).known_template is None
    assert generating(tokenizer=None).known_tokenizer is None
