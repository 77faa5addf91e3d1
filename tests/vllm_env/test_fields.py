"""No field of vLLM's own server is missing from docs/compatibility.md, which is made from the gateway's schemas."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "compatibility.md"

ALSO_AT = {"/classify": "/classify", "/score": "/v1/score", "/rerank": "/v1/rerank", "/v2/rerank": "/v1/rerank"}
"""Paths of vLLM's whose fields are documented at another."""

NOT_SERVED = {
    "/generative_scoring",
    "/pooling",
    "/v1/audio/transcriptions",
    "/v1/audio/translations",
    "/v1/chat/completions/batch",
    "/v1/messages",
    "/v1/messages/count_tokens",
    "/v1/responses",
    "/v1/responses/{response_id}/cancel",
    "/v1/systemone",
    "/v2/embed",
}
"""Endpoints of vLLM that the gateway does not have: a request to one is a 404. A newer vLLM that has more fails here until
somebody has decided what becomes of them; those for its operators, and between its own parts, are not for clients."""

FOR_OPERATORS = re.compile(r"vllm\.entrypoints\.(rl|scale_out|serve\.(?!tokenize))")
"""Rooms of vLLM's server whose endpoints are for its operators, and for its own parts among themselves."""


def documented(path: str) -> set[str]:
    """The fields of an endpoint."""
    section = PAGE.read_text(encoding="utf-8").partition(f"## `POST {path}`")[2].partition("\n## ")[0]
    names = set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE))
    return names | set(re.findall(r"`(\w+)`", "".join(re.findall("Also accepted as (.*)", section))))


def bodies(annotation: Any) -> Iterator[type[Any]]:
    """The pydantic models in an annotation, members of unions too."""
    if hasattr(annotation, "model_fields"):
        yield annotation
    for argument in get_args(annotation):
        yield from bodies(argument)


def endpoints() -> dict[str, set[type[Any]]]:
    """Every path for clients that takes a body, with the models that the body may be."""
    package = importlib.import_module("vllm.entrypoints")
    found: dict[str, set[type[Any]]] = {}
    for module in pkgutil.walk_packages(package.__path__, "vllm.entrypoints."):
        if not module.name.endswith("api_router") or FOR_OPERATORS.match(module.name):
            continue
        router = getattr(importlib.import_module(module.name), "router", None)
        for route in getattr(router, "routes", ()):
            hints = get_type_hints(route.endpoint, include_extras=True)
            hints.pop("return", None)
            if "POST" in getattr(route, "methods", ()):
                found.setdefault(route.path, set()).update(each for hint in hints.values() for each in bodies(hint))
    return found


@pytest.fixture(scope="module")
def of_vllm() -> dict[str, set[type[Any]]]:
    return endpoints()


@pytest.mark.usefixtures("locked_vllm")
def test_every_field_of_vllm_is_declared(of_vllm):
    """A newer vLLM that knows more fails here until somebody has decided what becomes of it."""
    served = {path: models for path, models in of_vllm.items() if documented(ALSO_AT.get(path, path))}
    assert served.keys() >= {"/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/tokenize", "/detokenize"}
    assert served.keys() >= ALSO_AT.keys()
    missing = {
        (path, model.__name__): unknown
        for path, models in served.items()
        for model in models
        if (unknown := model.model_fields.keys() - documented(ALSO_AT.get(path, path)))
    }
    assert not missing


@pytest.mark.usefixtures("locked_vllm")
def test_every_endpoint_of_vllm_is_decided_on(of_vllm):
    """Served, or known not to be. What has no endpoint here has its fields compared where its inputs go."""
    unserved = {path for path in of_vllm if not documented(ALSO_AT.get(path, path))}
    assert sorted(unserved - NOT_SERVED) == []


def test_every_field_of_pooling_is_declared(of_vllm):
    """Of /pooling, which has no endpoint of its own here: at the endpoints that its tasks have."""
    known = documented("/v1/embeddings") | documented("/classify")
    for model in of_vllm["/pooling"]:
        assert model.model_fields.keys() - known <= {"task", "data"}, model.__name__
