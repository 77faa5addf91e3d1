"""What `/openapi.json` says of answers and of streams."""

from __future__ import annotations

from fastapi import FastAPI

from gateway.web import documented
from gateway.wire.common import Wire


class Part(Wire):
    text: str


class Whole(Wire):
    parts: list[Part]


class Piece(Wire):
    part: Part


def test_answer_is_documented() -> None:
    """By its model; as events too where it may be a stream."""
    assert documented.answer(Whole) == {200: {"model": Whole, "content": {}}}
    [content] = documented.answer(Whole, Piece)[200]["content"].items()
    assert content[0] == "text/event-stream"
    assert content[1]["schema"]["contentSchema"] == {"$ref": "#/components/schemas/Piece"}
    assert "`Piece`" in content[1]["schema"]["description"]


def test_chunks_are_described_with_their_parts() -> None:
    """FastAPI knows of one body an answer; what a chunk refers to is there, and said once."""
    app = FastAPI()

    @app.get("/", response_model=None, responses=documented.answer(Whole, Piece))
    async def endpoint() -> None: ...

    documented.install(app, [Piece])
    document = app.openapi()
    schemas = document["components"]["schemas"]
    assert {"Part", "Whole", "Piece"} <= schemas.keys()
    assert schemas["Piece"]["properties"]["part"] == {"$ref": "#/components/schemas/Part"}
    assert "$defs" not in schemas["Piece"]
    assert app.openapi() is document
