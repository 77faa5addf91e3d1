"""A JSON schema in the words that the engine enforces, and what is lost on the way."""

from __future__ import annotations

import pytest
from vllm_custom.engine.schemas.fit import Circle, fit

OBJECT = {"type": "object"}
A = {"type": "integer"}
NEEDS_A = {"properties": {"a": A}, "required": ["a"]}
NEEDS_B = {"properties": {"b": A}, "required": ["b"]}


def fitted(schema, *, patterns=True):
    result = fit(schema, lambda pattern: patterns)
    return result.schema, result.lost


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string"},
        {"type": "object", "properties": {"a": A}, "required": ["a"], "additionalProperties": False},
        {"$defs": {"a": A}, "$ref": "#/$defs/a"},
        {"anyOf": [A, {"type": "null"}]},
        {"enum": ["a", 1, None]},
        True,
    ],
)
def test_what_the_engine_knows_stays_as_it_is(schema):
    assert fitted(schema) == (schema, ())


@pytest.mark.parametrize(
    ("schema", "same"),
    [
        # Descriptions say nothing to a grammar, and vLLM would look for keywords in examples.
        ({"type": "integer", "title": "t", "default": {"allOf": [1, 2]}, "x-y": 1}, A),
        ({"minLength": 2}, {"type": "string", "minLength": 2}),
        ({"minimum": 2}, {"type": "number", "minimum": 2}),
        ({"type": "array", "maxItems": 1}, {"type": "array", "maxItems": 1, "items": True}),
        ({"type": "array", "uniqueItems": False}, {"type": "array", "items": True}),
        (
            {"type": "array", "items": [A], "additionalItems": False},
            {"type": "array", "prefixItems": [A], "items": False},
        ),
        ({"type": "object", "required": ["a"]}, {"type": "object", "required": ["a"], "properties": {"a": True}}),
        ({"type": "object", "minProperties": 1}, {"type": "object", "minProperties": 1, "additionalProperties": True}),
        ({"type": "object", "properties": {"a": A, "b": False}}, {"type": "object", "properties": {"a": A}}),
        ({"type": "string", "enum": ["a", 1]}, {"enum": ["a"]}),
        ({"allOf": [{"type": "string"}, {"maxLength": 2}]}, {"type": "string", "maxLength": 2}),
        (
            {**OBJECT, "allOf": [NEEDS_A, NEEDS_B]},
            {**OBJECT, "properties": {"a": A, "b": A}, "required": ["a", "b"]},
        ),
        (
            {"type": "string", "anyOf": [{"maxLength": 2}, {"enum": ["abc", 1]}]},
            {"anyOf": [{"type": "string", "maxLength": 2}, {"enum": ["abc"]}]},
        ),
        (
            {"$defs": {"x": {"type": "string"}}, "$ref": "#/$defs/x", "maxLength": 2},
            {"$defs": {"x": {"type": "string"}}, "type": "string", "maxLength": 2},
        ),
        (
            {"$defs": {"a/b": A}, "$ref": "#/$defs/a~1b"},
            {"$defs": {"a/b": A}, "type": "integer"},
        ),
        ({"oneOf": [A, {"type": "null"}]}, {"anyOf": [A, {"type": "null"}]}),
        ({"type": "integer", "maximum": 5, "exclusiveMaximum": True}, {"type": "integer", "exclusiveMaximum": 5}),
        ({"type": "integer", "maximum": 5.5}, {"type": "integer", "maximum": 5}),
        ({"type": "string", "maxLength": 2**64}, {"type": "string"}),
        ({"properties": {"a": {"type": "integer", "required": True}}}, {"type": "object", "properties": {"a": A}}),
    ],
)  # fmt: skip
def test_what_can_be_said_otherwise_is(schema, same):
    """Nothing is lost, and whatever the engine generates is valid by the schema as it was written."""
    assert fitted(schema) == (same, ())


@pytest.mark.parametrize(
    ("schema", "lost"),
    [
        *(
            ({"type": kind, name: value}, f".{name}")
            for kind, name, value in (
                ("string", "contentEncoding", "base64"),
                ("string", "contentMediaType", "text/plain"),
                ("string", "contentSchema", {"type": "object"}),
                ("string", "format", "iri"),
                ("integer", "multipleOf", 5),
                ("integer", "minimum", 2**64),
                ("array", "uniqueItems", True),
                ("array", "contains", A),
                ("object", "patternProperties", {"^x": A}),
                ("object", "propertyNames", {"maxLength": 2}),
                ("object", "dependentRequired", {"a": ["b"]}),
                ("object", "dependentSchemas", {"a": NEEDS_B}),
                ("object", "dependencies", {"a": ["b"]}),
                ("string", "not", {"const": "x"}),
                ("object", "$dynamicRef", "#a"),
                ("object", "$recursiveRef", "#"),
                ("object", "$ref", "https://example.com/schema.json"),
                ("string", "enum", ["a", 10**30]),
                ("integer", "const", 10**30),
            )
        ),
        ({"if": NEEDS_A, "then": NEEDS_B}, ".if"),
        ({"type": "string", "pattern": "^a", "minLength": 2}, ".minLength"),
        ({"type": "string", "pattern": "^a", "format": "date"}, ".format"),
        ({"type": "string", "format": "date", "maxLength": 2}, ".maxLength"),
        ({"oneOf": [A, {"type": "number", "minimum": 2}]}, ".oneOf"),
        ({"type": "string", "enum": ["a", "abc"], "maxLength": 2}, ".maxLength"),
        ({"additionalProperties": False, "required": ["a"]}, ".required"),
        ({"properties": {"a": {"items": {"not": {}}}}}, ".properties.a.items.not"),
        ({"anyOf": [A, {"allOf": [{"type": "string"}, {"not": {}}]}]}, ".anyOf[1].allOf[1].not"),
        ({"$defs": {"x": {"multipleOf": 2}}, "$ref": "#/$defs/x"}, ".$defs.x.multipleOf"),
        ({"properties": {"a": A}, "allOf": [{"properties": {"a": {"type": "string"}}}]}, ".allOf[0]"),
        ({"prefixItems": [A], "unevaluatedItems": False, "anyOf": [{"minItems": 1}]}, ".unevaluatedItems"),
        ({"properties": {"a": False}, "additionalProperties": True}, ".properties.a"),
    ],
)
def test_what_is_lost_is_told_with_its_path(schema, lost):
    """And the engine does not see it: vLLM would refuse some of these, or xgrammar pass over more than them."""
    schema, found = fitted(schema)
    assert lost in found
    assert fitted(schema) == (schema, ())


def test_patterns_that_the_engine_cannot_use_are_lost():
    assert fitted({"type": "string", "pattern": "^\\p{L}$"}, patterns=False) == ({"type": "string"}, (".pattern",))


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"},
        {"$defs": {"a": {"allOf": [{"$ref": "#/$defs/a"}]}}, "properties": {"x": {"$ref": "#/$defs/a"}}},
    ],
)
def test_circle_of_references_is_refused(schema):
    """Nothing stands behind it."""
    with pytest.raises(Circle, match=r"\.\$ref"):
        fitted(schema)


def test_tree_is_no_circle():
    """A reference back through a property or an item is how lists and trees are written."""
    tree = {"type": "object", "properties": {"c": {"type": "array", "items": {"$ref": "#"}}}}
    assert fitted(tree) == (tree, ())


@pytest.mark.parametrize(
    "schema",
    [
        {"anyOf": []},
        {"$ref": "#/$defs/none"},
        {"properties": [1]},
        {"required": 5, "additionalProperties": False},
    ],
)
def test_what_is_no_schema_is_refused(schema):
    with pytest.raises((ValueError, TypeError, AttributeError)):
        fitted(schema)


def test_references_do_not_multiply_without_end():
    """Each definition has the next one twice: written out, that would be 2 to the 40th."""
    definitions = {
        f"d{n}": {"type": "object", "allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2, "minProperties": 1} for n in range(40)
    }
    schema = {"$defs": {**definitions, "d40": {"maxProperties": 9}}, "$ref": "#/$defs/d0"}
    with pytest.raises(ValueError, match="too large"):
        fitted(schema)


def test_branches_do_not_multiply_without_end():
    """`anyOf` in `anyOf`, each with something beside it."""
    schema = {"properties": {f"p{n}": A for n in range(50)}}
    for _ in range(12):
        schema = {"type": "object", "properties": {"x": schema}, "anyOf": [{"required": ["x"]}] * 8}
    result, lost = fitted(schema)
    assert any(path.endswith(".properties") for path in lost)
    assert len(str(result)) < 20_000_000
