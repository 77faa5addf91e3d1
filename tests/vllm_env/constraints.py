"""Thirty constraints, of every kind that a request can have, and an engine small enough to start for each of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

SMOLLM2 = Path(__file__).parents[2] / ".cache" / "models" / "smollm2-135m-instruct"
SMALL = {"dtype": "float32", "max_num_seqs": 16, "enforce_eager": True, "kv_cache_memory_bytes": 1 << 26}
SCHEMA = {"type": "object", "properties": {"a": {"enum": ["x", "y"]}}, "required": ["a"], "additionalProperties": False}
PARAMETERS = {"type": "object", "properties": {"n": {"enum": [1, 2]}}, "required": ["n"]}
FUNCTION = {"name": "weather", "parameters": PARAMETERS}


def _format(schema: Any, **keys: Any) -> dict[str, Any]:
    return {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": schema, **keys}}}


def _tool(**changes: Any) -> list[dict[str, Any]]:
    return [{"type": "function", "function": {**FUNCTION, **changes}}]


def _tag(**format_: Any) -> dict[str, Any]:
    tag = {"type": "tag", "begin": "<n>", "content": format_, "end": "</n>"}
    return {"structured_outputs": {"structural_tag": json.dumps({"type": "structural_tag", "format": tag})}}


def _structured(**constraint: Any) -> dict[str, Any]:
    return {"structured_outputs": constraint}


_TUPLE = {"type": "array", "items": [{"enum": [1]}, {"enum": ["x"]}], "additionalItems": False, "minItems": 2}
_CIRCLE = {"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}
_NEXT = {"anyOf": [{"$ref": "#/$defs/n"}, {"type": "null"}]}
_LINKED = {"$defs": {"n": {"properties": {"next": _NEXT}}}, "$ref": "#/$defs/n"}
_PATTERNS = {"type": "object", "patternProperties": {"^x": {"enum": [1]}}, "maxProperties": 0}
_NO_TAG = '{"type": "structural_tag", "format": {"type": "none"}}'
_CONDITION = {"if": {}, "then": {}}

CONSTRAINTS: dict[str, tuple[dict[str, Any], str]] = {
    # What the answer looks like as a whole, by a regular expression; or which field is refused.
    "plain schema": (_format(SCHEMA), r'\{"a": ?"[xy]"\}'),
    "strict schema": (_format(SCHEMA, strict=True), r'\{"a": ?"[xy]"\}'),
    "unicode class": (_structured(regex=r"\p{L}{2}"), "structured_outputs"),
    "draft 4 tuple": (_format(_TUPLE), r'\[1, ?"x"\]'),
    "duplicate rule": (_structured(grammar='root ::= a\na ::= "x"\na ::= "y"'), "structured_outputs"),
    "circular reference": (_format(_CIRCLE), "response_format"),
    "bound beyond 64 bits": (_format({"type": "integer", "minimum": 0, "maximum": 2**64, "enum": [7]}), "7"),
    "least beyond 64 bits": (_format({"type": "integer", "minimum": 2**64}, strict=True), "response_format"),
    "unique items": (_format({"type": "array", "items": {"enum": [1]}, "uniqueItems": True, "maxItems": 1}), r"\[1?\]"),
    "unique items, strict": (_format({"type": "array", "uniqueItems": True}, strict=True), "response_format"),
    "not, strict": (_format({"type": "object", "properties": {"a": {"not": {}}}}, strict=True), "response_format"),
    "negative length": (_format({"type": "string", "minLength": -1}), "response_format"),
    "two of allOf": (_format({"allOf": [{"type": "string"}, {"enum": ["x", 1]}]}), '"x"'),
    "linked list": (_format(_LINKED), r'(\{"next": ?)*(null|\{\})\}*|\{.*'),
    "pattern and length": (_format({"type": "string", "pattern": "^[ab]$", "maxLength": 4}), '"[ab]"'),
    "pattern properties": (_format(_PATTERNS), r"\{\}"),
    "json object": ({"response_format": {"type": "json_object"}}, r"(?s)\{.*"),
    "regex": (_structured(regex="[ab]{3}"), "[ab]{3}"),
    "broken regex": (_structured(regex="(a"), "structured_outputs"),
    "looking ahead": (_structured(regex="(?=b)a"), "structured_outputs"),
    "choice": (_structured(choice=["red", 'b"l\\ue']), r'red|b"l\\ue'),
    "grammar": (_structured(grammar='root ::= "x" [0-9]'), r"x\d"),
    "broken grammar": (_structured(grammar="root ::= "), "structured_outputs"),
    "lark grammar": (_structured(grammar='start: "x" | "y"'), "[xy]"),
    "structured json": (_structured(json=SCHEMA), r'\{"a": ?"[xy]"\}'),
    "structural tag": (_tag(type="regex", pattern="[0-9]"), r"<n>\d</n>"),
    "tag with a schema": (_tag(type="json_schema", json_schema=SCHEMA), r'<n>\{\s*"a"\s*:\s*"[xy]"\s*\}</n>'),
    "tag with a tuple": (_tag(type="json_schema", json_schema=_TUPLE), "structured_outputs"),
    "broken tag": (_structured(structural_tag=_NO_TAG), "structured_outputs"),
    "tool required": ({"tools": _tool(), "tool_choice": "required"}, r'\{"n": ?[12]\}'),
    "tool named": (
        {"tools": _tool(), "tool_choice": {"type": "function", "function": {"name": "weather"}}},
        r'\{"n": ?[12]\}',
    ),
    "tool auto, strict": ({"tools": _tool(strict=True), "tool_choice": "auto"}, "(?s).*"),
    "tool not strict, odd schema": (
        {"tools": _tool(strict=False, parameters={**PARAMETERS, **_CONDITION}), "tool_choice": "required"},
        r'\{"n": ?[12]\}',
    ),
    "strict tool with if": (
        {"tools": _tool(strict=True, parameters=_CONDITION), "tool_choice": "auto"},
        "tools[0].function.parameters",
    ),
    "odd name": ({"tools": _tool(name='a"b'), "tool_choice": "required"}, "tools[0].function.name"),
    "no constraint": ({}, "(?s).*"),
}
"""A name that is a field, by `FIELDS`, is the param of the refusal."""
FIELDS = ("response_format", "structured_outputs", "tools[")
FIVE = ("plain schema", "unicode class", "draft 4 tuple", "duplicate rule", "tool required")


def write_model(folder: Path, weights: Path, **arguments: Any) -> None:
    """A model of two layers with made-up weights, and the tokenizer of the one in `weights`."""
    inner = folder / "1" / "weights"
    inner.mkdir(parents=True)
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        (inner / name).write_bytes((weights / name).read_bytes())
    config = json.loads((weights / "config.json").read_text())
    sizes = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2}
    config |= {**sizes, "num_key_value_heads": 2, "head_dim": 32, "max_position_embeddings": 2048}
    (inner / "config.json").write_text(json.dumps(config))
    document = {"model": "${MODEL}/weights", "load_format": "dummy", "max_model_len": 1024, **arguments}
    (folder / "1" / "model.json").write_text(json.dumps(document))
