"""How a family of APIs speaks HTTP: what differs between OpenAI's endpoints and those of another house, in one value.

Each API names its dialect (`web/api.py`); middleware and routes read it from the scope of the request
(`extensions.dialect_of`), so that an error, an event or a header has the right shape wherever it is made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from starlette.datastructures import Headers

from gateway.errors import GatewayError
from gateway.limits.quota import LimitState


@dataclass(frozen=True, slots=True)
class Dialect:
    """One house's ways. The functions are called per request, `event` per token."""

    key_of: Callable[[Headers], str]
    """The API key in the headers of a request. Raises Unauthorized where there is none, or more than one."""
    challenge: Mapping[str, str]
    """Headers that a 401 has besides."""
    error_body: Callable[[GatewayError], bytes]
    """The body of an error, as JSON."""
    limit_headers: Callable[[Sequence[LimitState]], Mapping[str, str]]
    """How the limits of a key stand, in headers."""
    event: Callable[[bytes], bytes]
    """A chunk, which is JSON, as a server-sent event."""
    error_event: Callable[[GatewayError], bytes]
    """The event that ends a broken stream."""
    end: bytes
    """What ends a stream that is complete."""
    ping: bytes
    """What keeps a silent stream open."""
