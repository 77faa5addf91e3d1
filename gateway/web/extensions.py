"""Keys of the scope beyond ASGI's. They give the hot path functions where it would otherwise need wrappers, messages and
tasks.

Each can be absent: the application runs in any ASGI server, only slower.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from starlette.types import Scope

from gateway.web.dialect import Dialect
from gateway.web.openai_dialect import OPENAI

DIALECT: Final = "gateway.dialect"
"""The `Dialect` of the API that was asked. Set by RequestContext."""

SEND_BODY: Final = "gateway.send_body"
"""The server's own `send`, for the messages behind `http.response.start`. Set by RequestContext."""

WRITE_PART: Final = "gateway.write_part"
"""`WritePart`, of our server."""

ON_DISCONNECT: Final = "gateway.on_disconnect"
"""`OnDisconnect`, of our server."""

WritePart = Callable[[bytes], bool]
"""Writes a part in the middle of the body at once. False, and nothing is done, when `send` has to do it: to wait for the
client, say."""

OnDisconnect = Callable[[Callable[[], object] | None], None]
"""Says what to call when the client leaves before its answer is complete; it is called at once if that has happened
already. None: nothing any more. The body of the request must have been read."""


def dialect_of(scope: Scope) -> Dialect:
    """The dialect in which the request is answered."""
    return scope.get(DIALECT, OPENAI)


def forget(scope: Scope) -> None:
    """Remove the keys when the request has ended: their values refer to the scope, and would keep it until a garbage
    collection."""
    for key in (SEND_BODY, WRITE_PART, ON_DISCONNECT):
        scope.pop(key, None)
