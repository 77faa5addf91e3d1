"""Every keyword of JSON Schema, by trial: what is not counted as lost is enforced by the grammar that xgrammar makes."""

from __future__ import annotations

import importlib
import json
from functools import cache
from typing import Any

import pytest
from vllm_custom.engine.schemas.fit import fit
from vllm_custom.engine.schemas.keywords import FORMAT_PATTERNS, FORMATS
from vllm_custom.engine.trial import Trial, Unusable

INTEGER = {"type": "integer"}
A = {"type": "object", "properties": {"a": INTEGER}}
AB = {"type": "object", "properties": {"a": INTEGER, "b": INTEGER}}
A_NEEDED, B_NEEDED = {**A, "required": ["a"]}, {"properties": {"b": INTEGER}, "required": ["b"]}
TREE = {"type": "object", "properties": {"c": {"type": "array", "items": {"$ref": "#"}}}, "additionalProperties": False}

ENFORCED: dict[str, tuple[Any, Any, Any]] = {
    # The schema, an instance that is valid and one that is not.
    "type": (INTEGER, 1, "a"),
    "types": ({"type": ["integer", "null"]}, None, "a"),
    "enum": ({"enum": ["a", 1, {"b": [2]}]}, {"b": [2]}, {"b": [3]}),
    "enum of one type": ({"type": "string", "enum": ["a", 1]}, "a", 1),
    "const": ({"const": 'a"\\\n'}, 'a"\\\n', "a"),
    "minimum": ({"type": "integer", "minimum": 5}, 5, 4),
    "maximum": ({"type": "number", "maximum": 5.5}, 5.25, 5.75),
    "exclusiveMinimum": ({"type": "number", "exclusiveMinimum": 5.5}, 5.75, 5.5),
    "exclusiveMaximum": ({"type": "integer", "exclusiveMaximum": 5}, 4, 5),
    "exclusiveMaximum of draft 4": ({"type": "integer", "maximum": 5, "exclusiveMaximum": True}, 4, 5),
    "maximum of 64 bits": ({"type": "integer", "maximum": 2**64}, 7, 2**65),
    "minimum untyped": ({"minimum": 5}, 6, 4),
    "minLength": ({"type": "string", "minLength": 2}, "ab", "a"),
    "maxLength": ({"type": "string", "maxLength": 2.0}, "ab", "abc"),
    "pattern": ({"type": "string", "pattern": "^[a-c]+$"}, "ab", "d"),
    "pattern untyped": ({"pattern": "^a+$"}, "aa", "b"),
    "items": ({"type": "array", "items": INTEGER}, [1], ["a"]),
    "items false": ({"type": "array", "items": False}, [], [1]),
    "prefixItems": ({"type": "array", "prefixItems": [INTEGER], "items": {"type": "string"}}, [1, "a"], ["a", 1]),
    "items of draft 4": ({"items": [INTEGER], "additionalItems": False}, [1], [1, 2]),
    "unevaluatedItems": ({"type": "array", "prefixItems": [INTEGER], "unevaluatedItems": False}, [1], [1, 2]),
    "minItems": ({"type": "array", "minItems": 1}, [1], []),
    "maxItems": ({"type": "array", "maxItems": 1}, [1], [1, 2]),
    "properties": (A, {"a": 1}, {"a": "x"}),
    "property false": ({"type": "object", "properties": {"a": False}}, {}, {"a": 1}),
    "required": ({**AB, "required": ["b"]}, {"a": 1, "b": 2}, {"a": 1}),
    "required, not described": ({"required": ["z"]}, {"z": 1}, {}),
    "additionalProperties": ({**A, "additionalProperties": {"type": "string"}}, {"a": 1, "b": "x"}, {"b": 2}),
    "unevaluatedProperties": ({**A, "unevaluatedProperties": False}, {"a": 1}, {"b": 2}),
    "minProperties": ({"type": "object", "minProperties": 1}, {"a": 1}, {}),
    "maxProperties": ({**AB, "maxProperties": 1}, {"a": 1}, {"a": 1, "b": 2}),
    "allOf": ({"allOf": [{"type": "string"}, {"enum": ["a", "b"]}]}, "a", "c"),
    "allOf of objects": ({"allOf": [A_NEEDED, B_NEEDED]}, {"a": 1, "b": 1}, {"a": 1}),
    "anyOf": ({"anyOf": [INTEGER, {"type": "null"}]}, None, "a"),
    "anyOf with others": ({**AB, "anyOf": [{"required": ["a"]}, {"required": ["b"]}]}, {"a": 1}, {}),
    "oneOf": ({"oneOf": [INTEGER, {"type": "null"}]}, None, "a"),
    "$ref": ({"$defs": {"x": INTEGER}, "$ref": "#/$defs/x"}, 1, "a"),
    "$ref to definitions": ({"definitions": {"x": INTEGER}, "$ref": "#/definitions/x"}, 1, "a"),
    "$ref with others": ({"$defs": {"x": {"type": "string"}}, "$ref": "#/$defs/x", "maxLength": 2}, "ab", "abc"),
    "$ref with escapes": ({"$defs": {"a/b c": INTEGER}, "$ref": "#/$defs/a~1b%20c"}, 1, "a"),
    "$ref elsewhere": ({"components": {"x": [INTEGER]}, "$ref": "#/components/x/0"}, 1, "a"),
    "$ref back": (TREE, {"c": [{"c": []}]}, {"c": [1]}),
}  # fmt: skip

INSTANCES = {
    "email": ("a.b@c.de", '"a"@b'),
    "date": ("2020-01-01", "2020"),
    "time": ("10:00:00Z", "10"),
    "date-time": ("2020-01-01T10:00:00Z", "2020-01-01"),
    "duration": ("P1D", "1D"),
    "ipv4": ("1.2.3.4", "1.2.3"),
    "ipv6": ("::1", "1"),
    "hostname": ("a.b", "a..b"),
    "uuid": ("123e4567-e89b-12d3-a456-426614174000", "123"),
    "uri": ("http://a.b/", "a b"),
    "uri-reference": ("/a", "a b"),
    "uri-template": ("/a{b}", "{"),
    "json-pointer": ("/a/~0", 'a"'),
    "relative-json-pointer": ("1/a", "/a"),
}


@cache
def trial() -> Trial:
    return Trial()


@cache
def compiler() -> Any:
    xgrammar: Any = importlib.import_module("xgrammar")
    vocabulary = [bytes([each]) for each in range(256)] + [b"</s>"]
    tokens = xgrammar.TokenizerInfo(vocabulary, vocab_type=xgrammar.VocabType.RAW, vocab_size=257, stop_token_ids=[256])
    return xgrammar.GrammarCompiler(tokens)


def accepts(schema: Any, instance: Any) -> bool:
    """Whether the engine's grammar of the schema lets this be generated."""
    xgrammar: Any = importlib.import_module("xgrammar")
    compiled = compiler().compile_json_schema(json.dumps(schema), any_whitespace=False, separators=(",", ":"))
    matcher = xgrammar.GrammarMatcher(compiled, terminate_without_stop_token=True)
    return matcher.accept_string(json.dumps(instance, separators=(",", ":"))) and matcher.is_terminated()


@pytest.mark.parametrize("name", list(ENFORCED))
def test_keyword_is_enforced(name: str) -> None:
    """As docs/structured-outputs.md says."""
    schema, valid, invalid = ENFORCED[name]
    fitted = fit(schema, trial().is_pattern)
    assert fitted.lost == ()
    trial().check_schema(fitted.schema)
    assert (accepts(fitted.schema, valid), accepts(fitted.schema, invalid)) == (True, False)


@pytest.mark.parametrize("name", sorted(FORMATS | FORMAT_PATTERNS.keys()))
def test_format_is_enforced(name: str) -> None:
    fitted = fit({"type": "string", "format": name}, trial().is_pattern)
    assert fitted.lost == ()
    valid, invalid = INSTANCES[name]
    assert (accepts(fitted.schema, valid), accepts(fitted.schema, invalid)) == (True, False)


@pytest.mark.parametrize("pattern", [r"^\p{L}{2}$", r"(a|b)\1", r"\bab\b", "(", '^"$', r"^(?=.*\d)[a-z\d]{4}$"])
def test_pattern_that_cannot_be_enforced(pattern: str) -> None:
    """Or that would not leave JSON."""
    assert not trial().is_pattern(pattern)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "minLength": -1},
        {"type": "string", "minLength": 3, "maxLength": 2},
        {"type": "integer", "minimum": 2, "maximum": 1},
        {"type": "date"},
        {"enum": []},
        {"$ref": "#"},
        False,
    ],
)
def test_schema_of_which_no_grammar_can_be_made(schema: Any) -> None:
    """Also what only the compiler of the engine's process would notice, and what no text satisfies."""
    with pytest.raises(Unusable) as caught:
        trial().check_schema(schema)
    assert "/project/" not in str(caught.value)


@pytest.mark.parametrize(
    ("constraint", "word"),
    [
        ({"regex": r"\p{L}"}, "nicode"),
        ({"regex": "(?!a)b"}, "looks around"),
        ({"grammar": 'root ::= a\na ::= "x"\na ::= "y"'}, "a"),
        ({"grammar": "root ::= root"}, "no text"),
        ({"structural_tag": "{"}, ""),
    ],
)
def test_other_constraints(constraint: dict[str, Any], word: str) -> None:
    from vllm.sampling_params import SamplingParams, StructuredOutputsParams

    with pytest.raises(Unusable, match=word):
        trial().check(SamplingParams(structured_outputs=StructuredOutputsParams(**constraint)))
