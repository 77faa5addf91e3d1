"""Routes with a JSON body: what is parsed, what is refused, and who finds an endpoint's arguments."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, ClassVar, Literal

import pytest
from fastapi import Request, Response

from gateway import request_record
from gateway.errors import BadRequest
from gateway.web.core import CoreOf
from gateway.web.disconnect import ClientDisconnected
from gateway.web.json_route import JsonRoute, parse
from gateway.wire.common import RequestBody


class Body(RequestBody):
    """With a default model by the settings."""

    default_model: ClassVar[Literal["default_model"]] = "default_model"

    model: str
    n: int | None = None


async def echo(request: Body, http_request: Request, core: CoreOf) -> Response:
    """What was understood."""
    return Response(request.model_dump_json(include={"model", "n"}))


async def leaves(request: Body, http_request: Request, core: CoreOf) -> Response:
    """The client is gone before there is anything to say."""
    raise ClientDisconnected


async def plain(core: CoreOf) -> dict[str, str]:
    """No body."""
    return {}


@pytest.mark.parametrize(
    ("body", "default", "model"),
    [
        (b'{"model": "m"}', None, "m"),
        (b'{"model": "m"}', "d", "m"),
        (b"{}", "d", "d"),
        (b'{"model": null}', "d", "d"),
    ],
)
def test_model_may_be_the_default(body: bytes, default: str | None, model: str) -> None:
    """For a body that names none."""
    parsed = parse(Body, body, default)
    assert isinstance(parsed, Body)
    assert parsed.model == model


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"{'n': 1}", b'{"n": NaN}', b'{"n": 01}', b'{"model": "\\ud800"}', b"\xff", b'{"model": "m"} x'],
)
def test_other_than_json_is_refused(body: bytes) -> None:
    """Strictly: what neither JSON nor Triton can carry would fail later as a fault of ours."""
    with pytest.raises(BadRequest, match="We could not parse the JSON body") as caught:
        parse(Body, body, "d")
    assert caught.value.param is None


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"[]", None),
        (b"5", None),
        (b"null", None),
        (b'"m"', None),
        (b"{}", "model"),
        (b'{"model": "m", "n": 1.0}', "n"),
    ],
)
def test_wrong_body_is_named(body: bytes, param: str | None) -> None:
    """By the field, or as no object at all."""
    with pytest.raises(BadRequest) as caught:
        parse(Body, body)
    assert caught.value.param == param


def test_signature_says_what_the_body_is() -> None:
    """An endpoint without one is FastAPI's to call."""
    route = JsonRoute("/", echo, methods=["POST"], response_model=None)
    assert (route.body, route.takes_body) == (Body, True)
    assert not JsonRoute("/", plain, methods=["GET"]).takes_body


async def answer(endpoint: Any, body: bytes, *, strict: bool = False, first: str = "http.request") -> list[Any]:
    """The messages that a route answers with."""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": first, "body": body, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    core = SimpleNamespace(settings=SimpleNamespace(strict=strict, default_model="d"))
    scope = {"type": "http", "method": "POST", "path": "/", "headers": [], "state": {"core": core}}
    await JsonRoute("/", endpoint, methods=["POST"], response_model=None).handle(scope, receive, send)
    return sent


@pytest.mark.anyio
async def test_endpoint_is_called_with_the_body() -> None:
    """Fields that nobody knows are ignored."""
    start, body = await answer(echo, b'{"n": 5, "new": 1}')
    assert (start["status"], body["body"]) == (200, b'{"model":"d","n":5}')


@pytest.mark.anyio
async def test_strict_settings_refuse_the_unknown() -> None:
    """By the name of the first."""
    with pytest.raises(BadRequest, match="Unrecognized request argument supplied: new") as caught:
        await answer(echo, b'{"n": 5, "new": 1, "newer": 2}', strict=True)
    assert (caught.value.param, caught.value.code) == ("new", "unknown_parameter")
    start, _ = await answer(echo, b'{"n": 5}', strict=True)
    assert start["status"] == 200


@pytest.mark.anyio
@pytest.mark.parametrize(("endpoint", "first"), [(leaves, "http.request"), (echo, "http.disconnect")])
async def test_client_that_left_is_told_nothing(endpoint: Any, first: str) -> None:
    """While its body was read or later: the status is for metrics and logs, and the record says why."""
    record = request_record.begin("r")
    start, _ = await answer(endpoint, b"{}", first=first)
    assert (start["status"], record.why) == (499, "client_left")
