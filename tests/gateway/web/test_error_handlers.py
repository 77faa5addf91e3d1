"""Errors of the router in OpenAI's envelope."""

from __future__ import annotations

import httpx
import pytest


@pytest.mark.parametrize(
    "path", ["/", "/v1", "/v1/nothing", "/chat/completions", "/v1/chat/completions/", "/%00", "/" + "x" * 2000]
)
def test_unknown_url_is_said_so(client: httpx.Client, path: str) -> None:
    """404 with the method and the path; a slash too many is no redirect."""
    response = client.post(path, json={})
    error = response.json()["error"]
    assert response.status_code == 404
    assert (error["type"], error["param"], error["code"]) == ("invalid_request_error", None, None)
    assert error["message"].startswith("Invalid URL (POST /")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/v1/chat/completions", "POST"),
        ("DELETE", "/v1/models", "GET"),
        ("PUT", "/v1/models/m", "GET"),
        ("POST", "/livez", "GET"),
    ],
)
def test_wrong_method_is_said_so(client: httpx.Client, method: str, path: str, allowed: str) -> None:
    """405 with what is allowed."""
    response = client.request(method, path)
    assert response.status_code == 405
    assert response.json()["error"]["code"] == "method_not_supported"
    assert allowed in response.headers["allow"]
