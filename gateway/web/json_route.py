"""Routes whose body is JSON, called as plain ASGI: the body is parsed, the endpoint called, its response sent.

FastAPI knows the route for matching and for /openapi.json. Its work per request to find an endpoint's arguments costs more
than the rest of a short request (docs/performance.md), and every endpoint here has the same arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, cast, get_type_hints

from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic import ValidationError
from starlette.types import Receive, Scope, Send

from gateway import exact_json, request_record
from gateway.core import Core
from gateway.errors import BadRequest
from gateway.web.disconnect import ClientDisconnected
from gateway.web.validation import to_bad_request
from gateway.wire.common import RequestBody

_CLIENT_LEFT = 499  # nginx's number for it; it is seen in metrics and logs only


class JsonRoute(APIRoute):
    """A route whose endpoint is called as `endpoint(request, http_request, core)`. If the endpoint takes no body, FastAPI
    calls it."""

    def __init__(self, path: str, endpoint: Callable[..., Coroutine[Any, Any, Response]], **options: Any) -> None:
        """The annotation of the endpoint's `request` says what the body is."""
        super().__init__(path, endpoint, **options)
        self._body: type[RequestBody] | None = get_type_hints(endpoint).get("request")

    @property
    def body(self) -> type[RequestBody] | None:
        """The type of its body; None if FastAPI calls the endpoint."""
        return self._body

    @property
    def takes_body(self) -> bool:
        """Whether it is called as plain ASGI."""
        return self._body is not None

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._body is None or scope["method"] not in self.methods:
            await super().handle(scope, receive, send)
            return
        core: Core = scope["state"]["core"]
        try:
            response = await self._respond(self._body, Request(scope, receive, send), core)
            await response(scope, receive, send)
        except ClientDisconnected:
            request_record.current().client_left()
            await Response(status_code=_CLIENT_LEFT)(scope, receive, send)

    async def _respond(self, body: type[RequestBody], http_request: Request, core: Core) -> Response:
        """The endpoint's response. The request is released before the answer is sent."""
        request = parse(body, await _body(http_request.receive), _default_model(body, core))
        if core.settings.strict:
            _refuse_unknown_fields(request)
        return await self.endpoint(request, http_request, core)


async def _body(receive: Receive) -> bytes:
    """The body, which BodyLimit delivers as one message."""
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientDisconnected
    return message["body"]


def _default_model(body: type[RequestBody], core: Core) -> str | None:
    return None if body.default_model is None else getattr(core.settings, body.default_model)


def _refuse_unknown_fields(request: RequestBody) -> None:
    """Raises BadRequest for an unknown field."""
    if unknown := request.unknown_fields():
        raise BadRequest(
            f"Unrecognized request argument supplied: {unknown[0]}", param=unknown[0], code="unknown_parameter"
        )


def parse(model: type[RequestBody], body: bytes, default_model: str | None = None) -> RequestBody:
    """The body as an instance of `model`, with the default model if it names none. Raises BadRequest.

    The parser is strict: Python's own accepts NaN, lone surrogates and integers of any length, which neither JSON nor
    Triton can carry, so they would fail later as internal errors.
    """
    try:
        value: Any = exact_json.loads(body)
    except ValueError as error:
        raise BadRequest(f"We could not parse the JSON body of your request. ({error})") from None
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        value = fields = {name: exact_json.plain(field) for name, field in fields.items()}
        if default_model is not None and fields.get("model") is None:
            fields["model"] = default_model
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise to_bad_request(error.errors(include_url=False), value) from None
