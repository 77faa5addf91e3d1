"""What the application has to know of an API: one value each, listed in `apis/__init__.py`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from fastapi import APIRouter
from fastapi.routing import APIRoute

from gateway.web.dialect import Dialect
from gateway.web.json_route import JsonRoute
from gateway.web.openai_dialect import OPENAI
from gateway.wire.common import ErrorResponse, Wire

ERRORS: Final[dict[int | str, dict[str, Any]]] = {
    "default": {"model": ErrorResponse, "description": "OpenAI's error envelope, for every error status."},
}
"""How errors are documented, of every endpoint of a router."""


@dataclass(frozen=True, slots=True)
class Api:
    """Its routes, the shape of its streams' chunks, its dialect, and which of its paths want no key."""

    router: APIRouter
    chunks: tuple[type[Wire], ...] = ()
    dialect: Dialect = OPENAI
    public: frozenset[str] = frozenset()

    def public_methods(self, route: APIRoute) -> frozenset[str]:
        """With which methods one of its routes wants no key; HEAD is answered wherever GET is."""
        if route.path not in self.public:
            return frozenset()
        methods = frozenset(route.methods or ())
        return methods | {"HEAD"} if "GET" in methods else methods

    @property
    def routes(self) -> Iterator[APIRoute]:
        """All its endpoints."""
        return (route for route in self.router.routes if isinstance(route, APIRoute))

    @property
    def json_routes(self) -> Iterator[JsonRoute]:
        """Those with a JSON body, which are called as plain ASGI."""
        return (route for route in self.routes if isinstance(route, JsonRoute) and route.takes_body)


def json_router(prefix: str = "") -> APIRouter:
    """A router for endpoints that take and give JSON, or a stream of it."""
    return APIRouter(prefix=prefix, route_class=JsonRoute, responses=ERRORS)
