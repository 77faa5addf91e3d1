"""Translates pydantic's validation errors into OpenAI's: one error, with the path of the field and the code that clients
know."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, cast

from gateway.errors import BadRequest

_TYPES: Final[Mapping[str, str]] = {
    "string_type": "a string",
    "int_type": "an integer",
    "float_type": "a number",
    "bool_type": "a boolean",
    "list_type": "an array",
    "dict_type": "an object",
    "model_type": "an object",
    "model_attributes_type": "an object",
}

_BOUNDS: Final[Mapping[str, tuple[str, str, str]]] = {
    "greater_than_equal": ("ge", "below minimum", ">="),
    "greater_than": ("gt", "below minimum", ">"),
    "less_than_equal": ("le", "above maximum", "<="),
    "less_than": ("lt", "above maximum", "<"),
}


_MOST_INTEGER: Final = 2.0**63


def to_bad_request(errors: Sequence[Mapping[str, Any]], body: Any) -> BadRequest:
    """The first of pydantic's errors in OpenAI's words. `body` is what was sent, parsed."""
    error = errors[0]
    kind: str = error["type"]
    if not isinstance(body, dict):
        return BadRequest("The body of your request must be a JSON object.")
    param = _param(error, body)
    build = _BUILDERS.get(kind)
    if build is not None:
        return build(param, error)
    if kind in _TYPES:
        return _wrong_type(param, error)
    if kind in _BOUNDS:
        return _out_of_range(param, error)
    return BadRequest(f"Invalid '{param}': {error['msg']}.", param=param, code="invalid_value")


def _param(error: Mapping[str, Any], body: Any) -> str:
    """The field as OpenAI writes it: `messages[0].content`.

    Pydantic's location also names the branches of unions, which are not in the body: they are left out by following the
    location through it. A validator of several fields names the field itself.
    """
    path = ""
    value: Any = body
    locations = list(error["loc"])
    for place, step in enumerate(locations):
        is_last = place == len(locations) - 1
        if isinstance(step, int):
            path += f"[{step}]"
            value = _element(value, step)
        elif isinstance(value, dict) and (step in value or (is_last and error["type"] == "missing")):
            missing = locations[-1] if error["type"] == "missing" and place == len(locations) - 2 else None
            if not is_last and _is_branch(step, locations[place + 1], cast("dict[str, Any]", value), missing):
                continue
            path += f".{step}" if path else str(step)
            value = cast("dict[str, Any]", value).get(step)
    named = error.get("ctx", {}).get("param")
    if named:
        path += f".{named}" if path else named
    return path


def _is_branch(step: str, following: int | str, value: Mapping[str, Any], missing: str | None) -> bool:
    """Whether a step is the name of a union's branch, though there is a member of that name: the next one is beside it and
    can't be in it."""
    if not isinstance(following, str) or isinstance(value[step], dict):
        return False
    return following in value or following == missing


def _element(value: Any, index: int) -> Any:
    elements = cast("list[Any]", value) if isinstance(value, list) else []
    return elements[index] if index < len(elements) else None


def _missing(param: str, _: Mapping[str, Any]) -> BadRequest:
    return BadRequest(f"Missing required parameter: '{param}'.", param=param, code="missing_required_parameter")


def _unsupported_parameter(param: str, error: Mapping[str, Any]) -> BadRequest:
    return BadRequest(
        f"Unsupported parameter: '{param}' is not supported by this server: {error['msg']}.",
        param=param,
        code="unsupported_parameter",
    )


def _own_words(param: str, error: Mapping[str, Any]) -> BadRequest:
    return BadRequest(error["msg"], param=param, code=error["type"])


def _not_listed(param: str, error: Mapping[str, Any]) -> BadRequest:
    return BadRequest(
        f"Invalid value: {_shown(error['input'])}. Supported values are: {error['ctx']['expected']}.",
        param=param,
        code="invalid_value",
    )


def _too_short(param: str, error: Mapping[str, Any]) -> BadRequest:
    least = error["ctx"]["min_length"]
    return BadRequest(
        f"Invalid '{param}': empty array. Expected an array with minimum length {least}, but got an empty array instead.",
        param=param,
        code="empty_array",
    )


def _too_long(param: str, error: Mapping[str, Any]) -> BadRequest:
    most = error["ctx"]["max_length"]
    return BadRequest(
        f"Invalid '{param}': array too long. Expected an array with maximum length {most}.",
        param=param,
        code="array_above_max_length",
    )


def _empty_string(param: str, _: Mapping[str, Any]) -> BadRequest:
    return BadRequest(
        f"Invalid '{param}': empty string. Expected a string with minimum length 1, but got an empty string instead.",
        param=param,
        code="empty_string",
    )


def _wrong_pattern(param: str, error: Mapping[str, Any]) -> BadRequest:
    return BadRequest(
        f"Invalid '{param}': string does not match pattern. Expected a string that matches the pattern"
        f" '{error['ctx']['pattern']}'.",
        param=param,
        code="invalid_value",
    )


def _wrong_type(param: str, error: Mapping[str, Any]) -> BadRequest:
    if error["type"] == "int_type" and isinstance(value := error["input"], float) and abs(value) >= _MOST_INTEGER:
        # The parser makes a float of an integer that does not fit 64 bits.
        return _beyond_64_bits(param, value)
    return BadRequest(
        f"Invalid type for '{param}': expected {_TYPES[error['type']]}, but got {_type_name(error['input'])} instead.",
        param=param,
        code="invalid_type",
    )


def _beyond_64_bits(param: str, value: float) -> BadRequest:
    if value > 0:
        wrong, code, expected = "above maximum", "integer_above_max_value", f"<= {2**63 - 1}"
    else:
        wrong, code, expected = "below minimum", "integer_below_min_value", f">= {-(2**63)}"
    return BadRequest(
        f"Invalid '{param}': integer {wrong} value. Expected a value {expected}.",
        param=param,
        code=code,
    )


def _out_of_range(param: str, error: Mapping[str, Any]) -> BadRequest:
    bound, wrong, sign = _BOUNDS[error["type"]]
    value, limit = error["input"], error["ctx"][bound]
    number = "integer" if isinstance(limit, int) else "decimal"
    return BadRequest(
        f"Invalid '{param}': {number} {wrong} value."
        f" Expected a value {sign} {limit if number == 'integer' else format(limit, 'g')}, but got {_shown(value)} instead.",
        param=param,
        code=f"{number}_{wrong.replace('minimum', 'min').replace('maximum', 'max').replace(' ', '_')}_value",
    )


def _shown(value: Any) -> str:
    """A value for a message, cut to 100 characters."""
    text = f"'{value}'" if isinstance(value, str) else str(value)
    return text if len(text) <= 100 else text[:100] + "…"


def _type_name(value: Any) -> str:
    # bool before int: it is one.
    names: tuple[tuple[type, str], ...] = (
        (bool, "a boolean"), (int, "an integer"), (float, "a number"), (str, "a string"), (list, "an array"),
        (dict, "an object"), (type(None), "null"),
    )  # fmt: skip
    return next((name for kind, name in names if isinstance(value, kind)), "something else")


_BUILDERS: Final[Mapping[str, Callable[[str, Mapping[str, Any]], BadRequest]]] = {
    "missing": _missing,
    "unsupported_parameter": _unsupported_parameter,
    "unsupported_value": _own_words,
    "invalid_value": _own_words,
    "literal_error": _not_listed,
    "too_short": _too_short,
    "too_long": _too_long,
    "string_too_short": _empty_string,
    "string_pattern_mismatch": _wrong_pattern,
}
