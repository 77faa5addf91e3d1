"""Keys of the scope beyond ASGI's, each of which may be absent."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gateway.web import extensions
from gateway.web.openai_dialect import OPENAI


def test_dialect_is_openais_unless_said() -> None:
    """So it is for whatever is answered before anybody looked at the path."""
    other = replace(OPENAI, ping=b": other\n\n")
    assert extensions.dialect_of({}) is OPENAI
    assert extensions.dialect_of({extensions.DIALECT: other}) is other


def test_what_refers_to_the_scope_is_forgotten() -> None:
    """When the request has ended; what refers to nothing may stay, and what is not there is not missed."""
    scope: dict[str, Any] = {"type": "http", extensions.DIALECT: OPENAI, extensions.SEND_BODY: scope_of}
    extensions.forget(scope)
    extensions.forget(scope)
    assert scope == {"type": "http", extensions.DIALECT: OPENAI}


def scope_of() -> None:
    """Something that a server would put there."""
