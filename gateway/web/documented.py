"""What `/openapi.json` says of streams: FastAPI knows of one body an answer, and ours may be events too."""

from __future__ import annotations

from functools import partial
from typing import Any

from fastapi import FastAPI

from gateway.apis.chat.schema import ChatCompletionChunk
from gateway.apis.completions.schema import CompletionChunk
from gateway.wire.common import Wire

_REFERENCE = "#/components/schemas/"
_CHUNKS: tuple[type[Wire], ...] = (ChatCompletionChunk, CompletionChunk)


def schema_of_events(chunk: type[Wire]) -> dict[str, Any]:
    """The body of a stream."""
    return {
        "type": "string",
        "description": f"Events `data: …`, each a `{chunk.__name__}`, or an error in OpenAI's envelope; `[DONE]` ends them.",
        "contentMediaType": "application/json",
        "contentSchema": {"$ref": _REFERENCE + chunk.__name__},
    }


def install(app: FastAPI) -> None:
    """Have the chunks described too."""
    app.openapi = partial(_document, app, app.openapi)


def _document(app: FastAPI, document: Any) -> dict[str, Any]:
    if app.openapi_schema is None:
        schemas: dict[str, Any] = document()["components"]["schemas"]
        for chunk in _CHUNKS:
            schema = chunk.model_json_schema(mode="serialization", ref_template=_REFERENCE + "{model}")
            for name, part in schema.pop("$defs").items():
                schemas.setdefault(name, part)
            schemas[chunk.__name__] = schema
    return document()
