"""Turns the official backend's sampling parameters, a JSON object, into arguments of the engine's own class (pure).

As there, what is left out has the default of vLLM's bare class (16 tokens, temperature 1), whatever the model's
generation config says, and a null counts as left out. Unlike there, "false" is false and an unknown key is named.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from ..configuration.coercion import coerce
from ..errors import BadRequest
from .json_object import read_object

LORA_NAME = "lora_name"
STRUCTURED = "structured_outputs"
# What `structured_outputs` was called before vLLM 0.12, and the choice of library that went with it.
GUIDED = "guided_decoding"
GUIDED_BACKENDS = frozenset({"auto", "xgrammar", "xgrammar:no-fallback", "xgrammar:_auto"})
# Fields of vLLM's class that are not the client's to set.
RESERVED = frozenset(
    {"output_kind", "skip_clone", "output_text_buffer_length", "detokenize", "skip_reading_prefix_cache"}
)

Annotations = Mapping[str, Any]


def decode(parameters: str | bytes) -> dict[str, Any]:
    """The written parameters, without those that are null. Raises BadRequest."""
    document = read_object(parameters or "{}", "sampling_parameters")
    return {name: value for name, value in document.items() if value is not None}


def take_lora(parameters: dict[str, Any]) -> str | None:
    """Remove the adapter's name from the parameters, which the engine's own class does not have, and return it."""
    name = parameters.pop(LORA_NAME, None)
    if name is not None and not isinstance(name, str):
        raise BadRequest(f"{LORA_NAME} must be a text", param=LORA_NAME)
    return name


def arguments(written: Mapping[str, Any], known: Annotations, structured: Annotations) -> dict[str, Any]:
    """The arguments for the class with the annotations `known`; those of `structured_outputs` are left as an object.

    Raises BadRequest, naming the key at fault.
    """
    arguments: dict[str, Any] = {}
    for name, value in written.items():
        if name in (STRUCTURED, GUIDED):
            continue
        if name not in known or name in RESERVED or name.startswith("_"):
            raise BadRequest(f"sampling_parameters: {name!r} is not a sampling parameter of this engine", param=name)
        arguments[name] = _coerced(known[name], value, name)
    grammar = _structured(written, structured)
    return arguments if grammar is None else {**arguments, STRUCTURED: grammar}


def _structured(written: Mapping[str, Any], known: Annotations) -> dict[str, Any] | None:
    name = STRUCTURED if STRUCTURED in written else GUIDED
    if name not in written:
        return None
    value = _object(written[name], name)
    if name == GUIDED and (backend := value.pop("backend", "auto")) not in GUIDED_BACKENDS:
        raise BadRequest(f"{name}.backend: {backend!r} can no longer be chosen for one request", param=name)
    for key in value:
        if key not in known or key.startswith("_"):
            raise BadRequest(f"sampling_parameters: {name} has no key {key!r}", param=name)
    return {key: _coerced(known[key], item, f"{name}.{key}") for key, item in value.items() if item is not None}


def _object(value: Any, name: str) -> dict[str, Any]:
    expected = "a JSON object, or one as text"
    if isinstance(value, str):
        return read_object(value, name, expected)
    if not isinstance(value, dict):
        raise BadRequest(f"{name} must be {expected}", param=name)
    return dict(cast("dict[str, Any]", value))


def _coerced(annotation: Any, value: Any, name: str) -> Any:
    try:
        return coerce(annotation, value)
    except ValueError as error:
        raise BadRequest(f"{name} {error}", param=name.partition(".")[0]) from error
