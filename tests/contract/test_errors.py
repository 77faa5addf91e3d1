"""Every error has its place on the wire, and every error of the contract its meaning."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from gateway import errors
from gateway.errors import (
    ContextLengthExceeded,
    GatewayError,
    InternalError,
    ModelBroken,
    ModelNotFound,
    RequestTooLarge,
)
from gateway.triton.records import to_error
from gateway.web.openai_dialect import envelope

ROOT = Path(__file__).parents[2]

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, GatewayError)]
LEAVES = [kind for kind in KINDS if kind is not GatewayError]

WIRE_TYPES = {"invalid_request_error", "server_error", "requests", "tokens"}


def made(kind: type[GatewayError]) -> GatewayError:
    if kind is ContextLengthExceeded:
        return ContextLengthExceeded(context_length=8, prompt_tokens=5, max_tokens=5, param="messages")
    if kind is RequestTooLarge:
        return RequestTooLarge(limit=5, requested=6)
    if issubclass(kind, (InternalError, ModelNotFound)):
        return kind() if issubclass(kind, InternalError) else kind("m")
    if kind is ModelBroken:
        return ModelBroken("m", "it offers no tokenizer.json")
    return kind("text", param="p", code=None)


def table(heading: str) -> dict[str, str]:
    """First and second column of the table that follows a line of the contract."""
    text = (ROOT / "docs" / "contract.md").read_text(encoding="utf-8").partition(heading)[2]
    rows = re.findall(r"^\| `([a-z_]+)` \| ([^|]+) \|", text.partition("\n## ")[0], re.MULTILINE)
    return {name: value.strip() for name, value in rows}


@pytest.mark.parametrize("kind", LEAVES)
def test_error_has_its_place(kind: type[GatewayError]) -> None:
    """A status, a type that the SDKs know, and an envelope with exactly their members."""
    error = made(kind)
    assert 400 <= error.status < 600
    assert error.type in WIRE_TYPES
    body = envelope(error)["error"]
    assert set(body) == {"message", "type", "param", "code"}
    assert body["message"]


def test_permanent_faults_are_not_tried_again() -> None:
    """SDKs try 408, 409, 429 and 5xx again on their own, unless told not to: only what can get better may have such a
    status alone."""
    retried = [kind for kind in LEAVES if kind.status in (408, 409, 429) or kind.status >= 500]
    assert {kind.__name__ for kind in retried if kind.should_retry is not False} == {
        "RequestTimeout",
        "Overloaded",
        "RequestsLimited",
        "TokensLimited",
        "InternalError",
        "Unavailable",
        "UpstreamTimeout",
    }


@pytest.mark.parametrize("kind", LEAVES)
def test_error_is_raised_somewhere(kind: type[GatewayError]) -> None:
    """No class is there for show."""
    used = [
        path
        for path in (ROOT / "gateway").rglob("*.py")
        if path.name != "errors.py"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Name) and node.id == kind.__name__ and isinstance(node.ctx, ast.Load)
    ]
    assert used


def test_map_at_the_top_is_complete() -> None:
    """The tree in the docstring of `errors.py` names every class with its status."""
    drawn = dict(re.findall(r"── (\w+) +(\d{3})?", errors.__doc__ or ""))
    assert set(drawn) == {kind.__name__ for kind in LEAVES}
    for kind in LEAVES:
        assert not drawn[kind.__name__] or int(drawn[kind.__name__]) == kind.status


def test_contracts_error_types_are_mapped() -> None:
    """Each type of the table becomes an error of the status that stands beside it; `cancelled` reaches nobody."""
    statuses = table("Error types, and what the gateway makes of them:")
    assert len(statuses) == 7
    for type_, status in statuses.items():
        error = to_error(["r", "error", None, type_, None, None, "text"])
        assert error.status == (int(status) if status.isdecimal() else 503), type_


def test_context_error_has_what_clients_match_on() -> None:
    """LiteLLM matches on the phrase, LangChain on the code, in both of the wordings."""
    for max_tokens in (None, 5):
        error = ContextLengthExceeded(context_length=8, prompt_tokens=5, max_tokens=max_tokens, param="prompt")
        assert "maximum context length is 8 tokens. However, you" in error.message
        assert error.code == "context_length_exceeded"
