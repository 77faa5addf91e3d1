"""OpenAI's ways with HTTP, as its SDKs read them (https://platform.openai.com/docs/api-reference)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import orjson
from starlette.datastructures import Headers

from gateway.errors import GatewayError, Unauthorized
from gateway.limits.quota import LimitState, duration
from gateway.web.dialect import Dialect


def _bearer_key(headers: Headers) -> str:
    given = headers.getlist("authorization")
    scheme, _, key = given[0].partition(" ") if len(given) == 1 else ("", "", "")
    key = key.strip(" \t")
    if scheme.lower() != "bearer" or not key:
        raise Unauthorized(
            "You didn't provide an API key. Provide it in an Authorization header using Bearer auth"
            " (i.e. Authorization: Bearer YOUR_KEY)."
        )
    return key


def envelope(error: GatewayError) -> dict[str, dict[str, str | None]]:
    """The body of an error that OpenAI's SDKs read."""
    return {"error": {"message": error.message, "type": error.type, "param": error.param, "code": error.code}}


def _error_body(error: GatewayError) -> bytes:
    return orjson.dumps(envelope(error))


def _error_event(error: GatewayError) -> bytes:
    return b"data: %b\n\n" % _error_body(error)


def _limit_headers(limits: Sequence[LimitState]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for limit in limits:
        headers[f"x-ratelimit-limit-{limit.what}"] = str(limit.per_minute)
        headers[f"x-ratelimit-remaining-{limit.what}"] = str(limit.remaining)
        headers[f"x-ratelimit-reset-{limit.what}"] = duration(limit.reset_ns)
    return headers


OPENAI: Final = Dialect(
    key_of=_bearer_key,
    challenge={"www-authenticate": "Bearer"},
    error_body=_error_body,
    limit_headers=_limit_headers,
    event=b"data: %b\n\n".__mod__,  # a function of ours would cost more than the framing, for each token
    error_event=_error_event,
    end=b"data: [DONE]\n\n",
    ping=b": ping\n\n",
)
