"""What the application knows of an API: its routes, those with a body, and those without a key."""

from __future__ import annotations

import pytest
from fastapi import APIRouter, Request, Response

from gateway.apis import APIS
from gateway.web.api import ERRORS, Api, json_router
from gateway.web.core import CoreOf
from gateway.web.json_route import JsonRoute
from gateway.web.openai_dialect import OPENAI
from gateway.wire.common import ErrorResponse, RequestBody


class Body(RequestBody):
    """Of the toy."""


def toy() -> Api:
    router = json_router("/toy")

    @router.post("/say", response_model=None)
    async def say(request: Body, http_request: Request, core: CoreOf) -> Response:
        return Response()

    @router.get("/hear")
    async def hear() -> dict[str, str]:
        return {}

    router.mount("/files", APIRouter())
    return Api(router, public=frozenset({"/toy/hear"}))


def test_routes_are_the_endpoints() -> None:
    """What else a router may hold is none; those with a body are called as plain ASGI."""
    api = toy()
    assert [route.path for route in api.routes] == ["/toy/say", "/toy/hear"]
    [route] = api.json_routes
    assert (route.path, route.body) == ("/toy/say", Body)
    assert api.dialect is OPENAI


def test_errors_are_documented() -> None:
    """In the envelope, for every endpoint of a router."""
    assert toy().router.responses == ERRORS
    assert ERRORS["default"]["model"] is ErrorResponse


@pytest.mark.parametrize("api", APIS, ids=lambda api: api.router.tags or next(api.routes).path)
def test_apis_are_what_they_say(api: Api) -> None:
    """What is public is there; what takes a body of ours is called without the router."""
    paths = {route.path for route in api.routes}
    assert api.public <= paths
    assert all(isinstance(route, JsonRoute) for route in api.routes if "POST" in (route.methods or ()))


def test_no_path_is_served_twice() -> None:
    """By whichever API."""
    asked = [(method, route.path) for api in APIS for route in api.routes for method in route.methods or ()]
    assert len(asked) == len(set(asked))
