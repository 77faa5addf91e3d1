"""The fields of an embedding request: which inputs it takes."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from gateway.apis.embeddings.schema import EmbeddingRequest
from gateway.wire.inputs import MAX_INPUTS


def parsed(**fields: Any) -> EmbeddingRequest:
    return EmbeddingRequest.model_validate({"model": "m", **fields})


@pytest.mark.parametrize(
    ("input_", "inputs"),
    [("a", ["a"]), (["a", "b"], ["a", "b"]), ([5, 6], [[5, 6]]), ([[5], [6]], [[5], [6]])],
)
def test_input_has_four_forms(input_: Any, inputs: list[Any]) -> None:
    """What stands alone is a list of one."""
    assert parsed(input=input_).inputs() == inputs


@pytest.mark.parametrize(
    "input_",
    ["", [], [""], [[]], [5, "a"], ["a", 5], [-1], [2**31], [1.5], 5, None, ["a"] * (MAX_INPUTS + 1)],
    ids=lambda value: str(value)[:20],
)
def test_other_input_is_refused(input_: Any) -> None:
    """Nothing to work on, what is no token id, or more than a request may have."""
    with pytest.raises(ValidationError):
        parsed(input=input_)


@pytest.mark.parametrize(
    "fields",
    [
        {"encoding_format": "hex"},
        {"encoding_format": "bytes"},
        {"dimensions": 0},
        {"truncate_prompt_tokens": -2},
        {"truncation_side": "middle"},
        {"messages": [{}]},
        {"normalize": True},
        {"padding": "max_length"},
        {"embed_dtype": "float64"},
        {"endianness": "middle"},
        {"cache_salt": "s"},
        {"mm_processor_kwargs": {}},
    ],
    ids=lambda fields: "-".join(map(str, *fields.items())),
)
def test_other_fields_are_refused(fields: dict[str, Any]) -> None:
    """What can't be honoured would change the vectors."""
    harmless = {"user": "u", "priority": 1, "request_id": "r", "padding": "do_not_pad", "normalize": None}
    assert parsed(input="a", encoding_format="base64", dimensions=3, **harmless).dimensions == 3
    with pytest.raises(ValidationError):
        parsed(input="a", **fields)
