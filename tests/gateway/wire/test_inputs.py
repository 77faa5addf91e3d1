"""Inputs in their four forms."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.wire.inputs import as_list, kind_of_inputs


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("a", "text"),
        (5, "text"),
        (None, "text"),
        (["a"], "texts"),
        ([], "texts"),
        ([None], "texts"),
        ([5, "a"], "tokens"),
        ([True], "tokens"),
        ([[5], "a"], "token_arrays"),
        ([[]], "token_arrays"),
    ],
)
def test_first_element_tells_the_form(value: object, kind: str) -> None:
    """So that an error is about the form that was meant; what fits none is told to be no text."""
    assert kind_of_inputs(value) == kind


@pytest.mark.parametrize(
    ("given", "inputs"),
    [("a", ["a"]), ("", [""]), (["a", "b"], ["a", "b"]), ([5, 6], [[5, 6]]), ([[5], [6, 7]], [[5], [6, 7]])],
)
def test_inputs_are_a_list(given: Any, inputs: list[Any]) -> None:
    """What stands alone is a list of one."""
    assert as_list(given) == inputs
