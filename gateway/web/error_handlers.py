"""Every error to a response: ours, and the router's 404 and 405."""

from __future__ import annotations

import math
from typing import cast

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.types import Scope

from gateway import request_record
from gateway.errors import BadRequest, GatewayError, InternalError, MethodNotAllowed, NotFound
from gateway.web.extensions import dialect_of


def error_response(scope: Scope, error: GatewayError) -> Response:
    """The response that the client of a request gets for an error, which is noted as the reason why the request ended."""
    request_record.current().failed(error.code or error.type)
    headers: dict[str, str] = {}
    if error.retry_after_s is not None:
        headers["retry-after"] = str(math.ceil(error.retry_after_s))
        headers["retry-after-ms"] = str(math.ceil(error.retry_after_s * 1000))
    if error.should_retry is not None:
        headers["x-should-retry"] = "true" if error.should_retry else "false"
    return Response(
        dialect_of(scope).error_body(error), status_code=error.status, headers=headers, media_type="application/json"
    )


async def _gateway_error(request: Request, error: Exception) -> Response:
    return error_response(request.scope, cast("GatewayError", error))


async def _http_exception(request: Request, error: Exception) -> Response:
    exception = cast("HTTPException", error)
    if exception.status_code == 404:
        return error_response(request.scope, NotFound(f"Invalid URL ({request.method} {request.scope['path']})"))
    if exception.status_code == 405:
        refused = MethodNotAllowed(f"Not allowed to {request.method} on {request.scope['path']}.")
        response = error_response(request.scope, refused)
        response.headers.update(exception.headers or {})
        if response.headers.get("allow") == "GET":
            response.headers["allow"] = "GET, HEAD"
        return response
    if exception.status_code == 400:
        return error_response(request.scope, BadRequest("We could not parse the JSON body of your request."))
    return error_response(request.scope, InternalError())


async def _fault(request: Request, _: Exception) -> Response:
    """Of our own; it is raised on, and logged by the outermost middleware."""
    return error_response(request.scope, InternalError())


def install(app: FastAPI) -> None:
    """Register the handlers."""
    app.add_exception_handler(GatewayError, _gateway_error)
    app.add_exception_handler(HTTPException, _http_exception)
    app.add_exception_handler(Exception, _fault)
