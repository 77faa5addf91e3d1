"""Values as a class declares them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated, Any, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vllm_custom.configuration.coercion import coerce


@dataclass
class Pair:
    left: int = 0
    right: int = 0


@pytest.mark.parametrize(
    ("annotation", "written", "meant"),
    [
        (int, "16", 16),
        (int, 16.0, 16),
        (int | None, " 16 ", 16),
        (Optional[int], "-1", -1),  # noqa: UP045  as older vLLMs write it
        (int | None, None, None),
        (int, True, 1),
        (float, "0.7", 0.7),
        (float, 1, 1.0),
        (bool, "false", False),
        (bool, "False", False),
        (bool, "true", True),
        (bool, "0", False),
        (bool, 1, True),
        (bool | None, False, False),
        (str | list[str] | None, "a", "a"),
        (str | list[str] | None, ["a", "b"], ["a", "b"]),
        (str | list[str] | None, '["a"]', '["a"]'),
        (list[int] | None, "[1, 2]", [1, 2]),
        (list[int] | None, ["1", 2], [1, 2]),
        (list[str], '["a"]', ["a"]),
        (dict[int, float] | None, '{"7": "-1.5"}', {7: -1.5}),
        (dict[int, float], {"7": 1}, {7: 1.0}),
        (dict[str, Any] | None, {"a": "1"}, {"a": "1"}),
        (Annotated[int | None, "range"], "3", 3),
        (Pair | None, {"left": 1}, Pair(1)),
        (Pair | None, '{"right": 2}', Pair(0, 2)),
        (object, "as it is", "as it is"),
    ],
)
def test_value_has_the_declared_type(annotation, written, meant):
    """Strings, as request parameters carry them, and JSON's own values come out alike."""
    value = coerce(annotation, written)
    assert value == meant
    assert type(value) is type(meant)


@pytest.mark.parametrize(
    ("annotation", "written"),
    [
        (int, "1.5"),
        (int, 1.5),
        (int, "many"),
        (int, [1]),
        (int, "9" * 5000),
        (float, "warm"),
        (float, "nan"),
        (float, float("inf")),
        (float, True),
        (float, 10**400),
        (bool, "maybe"),
        (bool, 2),
        (bool, {}),
        (list[int] | None, "1, 2"),
        (list[int] | None, {"a": 1}),
        (list[int] | None, ["a"]),
        (dict[int, float] | None, {"a": 1}),
        (dict[int, float] | None, [1]),
        (Pair | None, {"middle": 1}),
        (Pair | None, "["),
    ],
)
def test_value_that_cannot_be_meant_is_refused(annotation, written):
    """With a ValueError that says what was expected."""
    with pytest.raises(ValueError, match=r"must|is not JSON"):
        coerce(annotation, written)


ANNOTATIONS = [int, float, bool, int | None, list[int] | None, dict[int, float] | None, str | list[str] | None, Pair]
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8)),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(st.text(max_size=4), inner, max_size=2)),
    max_leaves=4,
)


@given(st.sampled_from(ANNOTATIONS), JSON)
def test_anything_is_coerced_or_refused(annotation, written):
    """Nothing but a ValueError comes of a value that does not fit."""
    try:
        coerce(annotation, written)
    except ValueError:
        return


@given(st.one_of(st.integers(-(2**63), 2**63), st.floats(allow_nan=False, allow_infinity=False)))
def test_numbers_survive_as_texts(number):
    """A number and the string that a client makes of it mean the same."""
    annotation = type(number)
    assert coerce(annotation, json.dumps(number)) == coerce(annotation, number) == number
