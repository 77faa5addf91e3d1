"""The innermost middleware: looks endpoints with a JSON body up by their path in a table, without the router.

The router tries one pattern after the other, twice where routers are nested, and wraps each call in exit stacks that
nothing here uses. The router still gets everything that is not in the table, such as a wrong method.
"""

from __future__ import annotations

from collections.abc import Sequence

from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.errors import GatewayError
from gateway.web.error_handlers import error_response
from gateway.web.json_route import JsonRoute


class Shortcut:
    """Calls these routes by method and path, and answers their errors as the application would."""

    def __init__(self, app: ASGIApp, routes: Sequence[JsonRoute]) -> None:
        self._app = app
        self._routes = {(method, route.path): route for route in routes for method in route.methods or ()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = self._routes.get((scope["method"], scope["path"])) if scope["type"] == "http" else None
        if route is None:
            await self._app(scope, receive, send)
            return
        scope["route"] = route
        try:
            await route.handle(scope, receive, send)
        except GatewayError as error:
            await error_response(scope, error)(scope, receive, send)
