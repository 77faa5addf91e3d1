"""Two schemas as one, and schemas that exclude each other."""

from __future__ import annotations

import pytest
from vllm_custom.engine.schemas.conjunction import conjunction, exclude_each_other, is_plain, resolve

A, B = {"type": "integer"}, {"type": "string"}


@pytest.mark.parametrize(
    ("first", "second", "both"),
    [
        ({}, A, A),
        (A, {"title": "t"}, {**A, "title": "t"}),
        (A, A, A),
        (A, B, None),
        ({"maxLength": 3}, {"maxLength": 2, "minLength": 1}, {"maxLength": 2, "minLength": 1}),
        ({"minimum": 3}, {"minimum": 2}, {"minimum": 3}),
        ({"minimum": "a"}, {"minimum": 2}, None),
        ({"required": ["a"]}, {"required": ["b", "a"]}, {"required": ["a", "b"]}),
        ({"properties": {"a": A}}, {"properties": {"b": B}}, {"properties": {"a": A, "b": B}}),
        ({"properties": {"a": A}}, {"properties": {"a": B}}, None),
        # Whether a property is additional depends on what stands beside.
        ({"additionalProperties": False}, {"properties": {"a": A}}, None),
        ({"additionalProperties": False}, {"required": ["a"]}, {"additionalProperties": False, "required": ["a"]}),
        ({"items": A}, {"prefixItems": [B]}, None),
        ({"$ref": "#"}, A, None),
    ],
)
def test_conjunction(first, second, both):
    assert conjunction(first, second) == both


def tagged(value, **others):
    return {"type": "object", "properties": {"t": {"const": value}, **others}, "required": ["t"]}


@pytest.mark.parametrize(
    ("branches", "exclude"),
    [
        ([A, B, {"type": "null"}], True),
        ([A, {"type": "number"}], False),
        ([{"type": ["string", "null"]}, {"type": "null"}], False),
        ([{"const": "a"}, {"enum": ["b", "c"]}], True),
        ([{"const": "a"}, {"enum": ["b", "a"]}], False),
        ([tagged("a", x=A), tagged("b"), tagged("c")], True),
        ([tagged("a"), {**tagged("b"), "required": []}], False),
        ([tagged("a"), {"properties": {"t": {"const": "b"}}, "required": ["t"]}], False),
        ([{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/b"}], True),
        ([A, True], False),
    ],
)
def test_branches_exclude_each_other(branches, exclude):
    """Then `oneOf` says no more than `anyOf`."""
    assert exclude_each_other(branches, {"$defs": {"a": tagged("a"), "b": tagged("b")}}) is exclude


@pytest.mark.parametrize(
    ("reference", "found", "plain"),
    [
        ("#", "root", True),
        ("#/$defs/a", A, True),
        ("#/$defs/a~1b", B, False),
        ("#/$defs/c%20d", B, False),
        ("#/$defs/l/anyOf/1", B, False),
        ("#/$defs/l/anyOf/7", None, False),
        ("#/$defs/none", None, True),
        ("#anchor", None, False),
        ("https://example.com", None, False),
        (5, None, False),
    ],
)
def test_references(reference, found, plain):
    """Pointers of all kinds are followed here; xgrammar follows the plain ones."""
    root = {"$defs": {"a": A, "a/b": B, "c d": B, "l": {"anyOf": [A, B]}}}
    assert resolve(reference, root) == (root if found == "root" else found)
    assert is_plain(reference) is plain
