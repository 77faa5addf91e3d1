"""Writes docs/compatibility.md from the schemas, which declare every field: `make docs`. A test fails when it is stale."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, get_args, get_origin, get_type_hints

from fastapi.routing import APIRoute
from pydantic.fields import FieldInfo

from gateway.apis import APIS
from gateway.wire.common import WireRequest

TARGET = Path(__file__).with_name("compatibility.md")

INTRODUCTION = """\
# Compatibility

Every field of every endpoint, as the gateway treats it. Made by `make docs` from the schemas in `gateway/apis/`, by which
the gateway checks requests, so that the two can't disagree; tests compare it with the parameters of OpenAI's SDK and of
vLLM's own server, so that none is missing.

* **honoured**: it does what OpenAI (or, where the notes say so, vLLM) documents; the notes tell what is not plain from
  there. Ranges are OpenAI's. The engine may still refuse a value, with a 400 that names the field.
* **hint**: accepted, whatever it is, and not used, because the answer would be no other.
* **refused**: a 400 with the code `unsupported_parameter` that names it, because the answer would not be what was asked for.
  `null`, and the values in brackets, ask for nothing and are accepted.

A field that is not here is ignored, or with the setting `strict` ([settings.md](settings.md)) refused with the code
`unknown_parameter`. Members of answers that OpenAI does not have are there only when they were asked for, but for
`stop_reason`, `reasoning` and `reasoning_content`. `/openapi.json` has the same fields with their types, and the answers.

With `tool_choice` `required` or a function's name a grammar makes the call certain, and valid by the function's schema as
far as [a grammar can](structured-outputs.md); with `auto` the model may call or not, and may break a schema. Where the call
was the model's choice the finish reason is `tool_calls`, where the client named the function it is `stop`, as OpenAI does.
"""


class Row(NamedTuple):
    """One field of a request."""

    field: str
    treatment: str
    notes: str


def page() -> str:
    """The page."""
    routes = [route for api in APIS for route in api.routes]
    sections = [_section(route) for route in routes if route.include_in_schema]
    return "\n".join([INTRODUCTION, *filter(None, sections)])


def rows(request: type[WireRequest], prefix: str = "") -> Iterator[Row]:
    """The fields of a request and of what stands in it: honoured ones first, then hints, then what is refused."""
    for name, field in request.model_fields.items():
        path = prefix + (field.alias or name)
        yield Row(path, "honoured", _notes(field))
        for part, place in _parts(field.annotation):
            yield from rows(part, f"{path}{place}.")
    for name, reason in request.hints.items():
        yield Row(prefix + name, "hint", reason)
    for name, refused in request.refused.items():
        harmless = ", ".join(
            f"`{str(value).lower() if isinstance(value, bool) else value}`" for value in refused.harmless
        )
        yield Row(prefix + name, "refused", refused.reason + (f" ({harmless})" if harmless else ""))


def _section(route: APIRoute) -> str:
    request = get_type_hints(route.endpoint).get("request")
    if request is None:
        return ""
    lines = [f"| `{row.field}` | {row.treatment} | {row.notes} |" for row in dict.fromkeys(rows(request))]
    return f"## `POST {route.path}`\n\n| field | | notes |\n| --- | --- | --- |\n" + "\n".join(lines) + "\n"


def _notes(field: FieldInfo) -> str:
    return (field.description or "").replace("|", "\\|")


def _parts(annotation: Any, place: str = "") -> Iterator[tuple[type[WireRequest], str]]:
    """The requests that stand in a field, and whether in an array."""
    if isinstance(annotation, type) and issubclass(annotation, WireRequest):
        yield annotation, place
    inner = place + "[]" if get_origin(annotation) is list else place
    for argument in get_args(annotation):
        yield from _parts(argument, inner)


if __name__ == "__main__":
    TARGET.write_text(page(), encoding="utf-8")
