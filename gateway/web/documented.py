"""What `/openapi.json` says of streams: FastAPI knows of one body an answer, and ours may be events too."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from fastapi import FastAPI

from gateway.wire.common import Wire

_REFERENCE = "#/components/schemas/"


def answer(model: type[Wire], chunk: type[Wire] | None = None) -> dict[int | str, dict[str, Any]]:
    """How the answer of an endpoint is documented, and `chunk`, of which its streams are made. Bodies are written by the
    endpoints, so FastAPI has only this to know them by."""
    content: dict[str, Any] = {} if chunk is None else {"text/event-stream": {"schema": _events(chunk)}}
    return {200: {"model": model, "content": content}}


def _events(chunk: type[Wire]) -> dict[str, Any]:
    """The body of a stream."""
    return {
        "type": "string",
        "description": f"Events `data: …`, each a `{chunk.__name__}`, or an error in OpenAI's envelope; `[DONE]` ends them.",
        "contentMediaType": "application/json",
        "contentSchema": {"$ref": _REFERENCE + chunk.__name__},
    }


def install(app: FastAPI, chunks: Sequence[type[Wire]]) -> None:
    """Have the chunks described too."""
    app.openapi = partial(_document, app, app.openapi, chunks)


def _document(app: FastAPI, document: Any, chunks: Sequence[type[Wire]]) -> dict[str, Any]:
    if app.openapi_schema is None:
        schemas: dict[str, Any] = document()["components"]["schemas"]
        for chunk in chunks:
            schema = chunk.model_json_schema(mode="serialization", ref_template=_REFERENCE + "{model}")
            for name, part in schema.pop("$defs").items():
                schemas.setdefault(name, part)
            schemas[chunk.__name__] = schema
    return document()
