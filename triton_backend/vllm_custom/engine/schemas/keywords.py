"""The keywords of JSON Schema, all drafts, by what xgrammar 0.2 makes of them: found by trial of every one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Schema = dict[str, Any]

STRING = frozenset(
    {"minLength", "maxLength", "pattern", "format", "contentEncoding", "contentMediaType", "contentSchema"}
)
NUMBER = frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"})
ARRAY = frozenset(
    {
        "items",
        "prefixItems",
        "additionalItems",
        "unevaluatedItems",
        "minItems",
        "maxItems",
        "uniqueItems",
        "contains",
        "minContains",
        "maxContains",
    }
)
OBJECT = frozenset(
    {
        "properties",
        "patternProperties",
        "additionalProperties",
        "unevaluatedProperties",
        "propertyNames",
        "required",
        "minProperties",
        "maxProperties",
        "dependentRequired",
        "dependentSchemas",
        "dependencies",
    }
)
FAMILIES: Mapping[str, frozenset[str]] = {"string": STRING, "number": NUMBER, "array": ARRAY, "object": OBJECT}
"""What each type's keywords are; a keyword says nothing about values of another type."""

CHOICES = ("allOf", "anyOf", "oneOf")
ASSERTIONS = frozenset({"type", "enum", "const", "$ref", "not", "if", *CHOICES, *STRING, *NUMBER, *ARRAY, *OBJECT})
"""All that a value has to satisfy. What is not here describes, or is a keyword that nobody knows."""

NEVER = frozenset(
    {
        "not",
        "if",
        "$dynamicRef",
        "$recursiveRef",
        "multipleOf",
        "contentEncoding",
        "contentMediaType",
        "contentSchema",
        "contains",
        "minContains",
        "maxContains",
        "patternProperties",
        "propertyNames",
        "dependentRequired",
        "dependentSchemas",
        "dependencies",
    }
)
"""No grammar is made of these, or only beside few others, which vLLM does not check."""

KEPT = frozenset({"$defs", "definitions", "$ref", "type", "enum", "const", *CHOICES, *STRING, *NUMBER, *ARRAY, *OBJECT})
"""What reaches the engine. Examples and defaults don't: vLLM would look for keywords in them."""

FORMATS = frozenset(
    {
        "date",
        "time",
        "date-time",
        "duration",
        "ipv4",
        "ipv6",
        "hostname",
        "uuid",
        "uri",
        "uri-reference",
        "uri-template",
    }
)
"""Those that xgrammar knows, and makes JSON of."""

_ATOM = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = "[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?"
_POINTER = r"(/([ !#-.0-\[\]-}]|~[01])*)*"
FORMAT_PATTERNS: Mapping[str, str] = {
    "email": rf"^{_ATOM}(\.{_ATOM})*@{_LABEL}(\.{_LABEL})*$",
    "json-pointer": rf"^{_POINTER}$",
    "relative-json-pointer": rf"^(0|[1-9][0-9]*)(#|{_POINTER})$",
}
"""Those for which xgrammar's own rules let quotes and backslashes into a string as they are."""
