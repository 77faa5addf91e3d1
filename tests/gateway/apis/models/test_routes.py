"""Models by their names: aliases, adapters, and keys that may use some of them."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import httpx
import openai
import pytest

from tests.conftest import PROBED_ONCE
from tests.fakes.gateway import RunningGateway, running_gateway
from tests.fakes.openai import chat, completion, eventually
from tests.fakes.triton import (
    CHAT_MODEL,
    CONTEXT_LENGTH,
    EMBEDDING_LIMIT,
    EMBEDDING_MODEL,
    MODERATION_MODEL,
    FakeTriton,
)

ALIASES = {
    "gpt-4o": CHAT_MODEL,
    "gpt-4o-mini": CHAT_MODEL,
    "text-embedding-3-small": EMBEDDING_MODEL,
    "omni-moderation-latest": MODERATION_MODEL,
    "gone": "nowhere",
    "poet": EMBEDDING_MODEL,
}
KEYS = [
    {"name": "all", "key": "sk-all"},
    {"name": "chat", "key": "sk-chat", "models": ["gpt-*", "poet"]},
    {"name": "own", "key": "sk-own", "models": [CHAT_MODEL]},
]


@pytest.fixture(scope="module")
def named() -> Generator[RunningGateway, None, None]:
    with FakeTriton() as triton:
        triton.loras = ["poet"]
        with running_gateway(triton_urls=(triton.address,), aliases=ALIASES, keys=KEYS, **PROBED_ONCE) as gateway:
            gateway.wait_ready()
            eventually(lambda: "poet" in models(gateway, "all"))
            yield gateway


def holder(gateway: RunningGateway, key: str) -> httpx.Client:
    return gateway.client(headers={"authorization": f"Bearer sk-{key}"})


def models(gateway: RunningGateway, key: str) -> dict[str, Any]:
    with holder(gateway, key) as client:
        return {card["id"]: card for card in client.get("/v1/models").json()["data"]}


def test_models_are_listed_under_all_their_names(named: RunningGateway) -> None:
    """An alias of a model that is not there is not; what a model is called itself stays its own."""
    listed = models(named, "all")
    own = {CHAT_MODEL, EMBEDDING_MODEL, MODERATION_MODEL, "poet"}
    assert set(listed) == own | {"gpt-4o", "gpt-4o-mini", "text-embedding-3-small", "omni-moderation-latest"}
    assert {listed[name]["root"] for name in ("gpt-4o", "gpt-4o-mini")} == {CHAT_MODEL}
    assert (listed["poet"]["root"], listed["poet"]["parent"]) == ("poet", CHAT_MODEL)
    assert listed["gpt-4o"]["max_model_len"] == CONTEXT_LENGTH
    assert listed[EMBEDDING_MODEL]["max_model_len"] == EMBEDDING_LIMIT


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/chat/completions", chat(model="gpt-4o")),
        ("/v1/completions", completion(model="gpt-4o-mini")),
        ("/v1/embeddings", {"model": "text-embedding-3-small", "input": "x"}),
        ("/v1/moderations", {"model": "omni-moderation-latest", "input": "x"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_alias_is_served(named: RunningGateway, path: str, body: dict[str, Any]) -> None:
    """The answer has the name that was asked for."""
    with holder(named, "all") as client:
        response = client.post(path, json=body)
    assert response.status_code == 200, response.text
    assert response.json()["model"] == body["model"]


def test_official_client_reads_cards(named: RunningGateway) -> None:
    """One by one too; an id may hold what a path may."""
    client = openai.OpenAI(base_url=f"{named.url}/v1", api_key="sk-all", _strict_response_validation=True)
    assert [model.id for model in client.models.list()] == sorted(models(named, "all"))
    assert client.models.retrieve("gpt-4o").id == "gpt-4o"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("org/nowhere")


def test_key_sees_its_models_alone(named: RunningGateway) -> None:
    """In the list and one by one."""
    assert set(models(named, "chat")) == {"gpt-4o", "gpt-4o-mini", "poet"}
    assert set(models(named, "own")) == {CHAT_MODEL}
    with holder(named, "chat") as client:
        assert client.get("/v1/models/gpt-4o").status_code == 200
        assert client.get(f"/v1/models/{CHAT_MODEL}").status_code == 404


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/chat/completions", chat()),
        ("/v1/completions", completion()),
        ("/v1/embeddings", {"model": EMBEDDING_MODEL, "input": "x"}),
        ("/v1/moderations", {"model": MODERATION_MODEL, "input": "x"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_other_models_do_not_exist_for_it(named: RunningGateway, path: str, body: dict[str, Any]) -> None:
    """The very answer that a model gets which nobody has."""
    with holder(named, "chat") as client:
        refused = client.post(path, json=body)
        unknown = client.post(path, json={**body, "model": "nowhere"})
    assert refused.status_code == unknown.status_code == 404
    assert refused.json()["error"]["code"] == "model_not_found"
    assert refused.text.replace(body["model"], "nowhere") == unknown.text


def test_no_model_is_picked_that_the_key_may_not_use(named: RunningGateway) -> None:
    """Where OpenAI lets the model out."""
    with holder(named, "all") as client:
        assert client.post("/v1/moderations", json={"input": "x"}).json()["model"] == MODERATION_MODEL
    with holder(named, "chat") as client:
        refused = client.post("/v1/moderations", json={"input": "x"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (404, "model_not_found")


def test_alias_may_be_required(triton: FakeTriton) -> None:
    """Ready is then what it stands for."""
    with running_gateway(
        triton_urls=(triton.address,), aliases={"gpt-4o": CHAT_MODEL}, required_models=("gpt-4o",), **PROBED_ONCE
    ) as gateway:
        gateway.wait_ready()
        assert set(httpx.get(f"{gateway.url}/readyz").json()["models"]) == {CHAT_MODEL}


def test_alias_of_a_model_that_comes_back_is_unavailable() -> None:
    """Like the model itself: a Triton that is away is no reason for a 404."""
    with running_gateway(triton_urls=("127.0.0.1:1",), aliases={"gpt-4o": CHAT_MODEL}) as gateway:
        response = httpx.post(f"{gateway.url}/v1/chat/completions", json=chat(model="gpt-4o"))
    assert response.status_code == 503


def test_default_model_is_used_where_none_is_named(triton: FakeTriton) -> None:
    """A name, an alias, or what a key may use like another; without a default the field is missed."""
    with running_gateway(
        triton_urls=(triton.address,),
        aliases={"gpt-4o": CHAT_MODEL},
        default_model="gpt-4o",
        keys=[{"name": "all", "key": "sk-all"}, {"name": "own", "key": "sk-own", "models": [CHAT_MODEL]}],
        **PROBED_ONCE,
    ) as gateway:
        gateway.wait_ready()
        bodies = {"/v1/chat/completions": chat(), "/v1/completions": completion(), "/v1/embeddings": {"input": "x"}}
        for path, body in bodies.items():
            body.pop("model", None)
            with holder(gateway, "all") as client:
                answers = [client.post(path, json=body), client.post(path, json={**body, "model": None})]
                named = client.post(path, json={**body, "model": ""})
            if path == "/v1/embeddings":
                codes = [(answer.status_code, answer.json()["error"]["param"]) for answer in answers]
                assert codes == [(400, "model"), (400, "model")]
            else:
                assert [answer.json()["model"] for answer in answers] == ["gpt-4o", "gpt-4o"]
            assert named.json()["error"]["code"] == "empty_string"
        with holder(gateway, "own") as client:
            assert client.post("/v1/completions", json={"prompt": "x"}).status_code == 404


def test_prefix_caches_can_be_kept_apart(triton: FakeTriton) -> None:
    """By the holder of the key, whom a client can't choose; without the setting nothing is said of it."""
    for apart, salts in ((True, ["chat", "own", "own"]), (False, [None, None, None])):
        with running_gateway(
            triton_urls=(triton.address,), keys=KEYS, aliases=ALIASES, separate_prefix_caches=apart, **PROBED_ONCE
        ) as gateway:
            gateway.wait_ready()
            triton.reset()
            for key, model in (("chat", "gpt-4o"), ("own", CHAT_MODEL)):
                with holder(gateway, key) as client:
                    assert client.post("/v1/chat/completions", json=chat(model=model)).status_code == 200
            with holder(gateway, "own") as client:
                assert client.post("/v1/completions", json=completion(model=CHAT_MODEL)).status_code == 200
                refused = client.post("/v1/chat/completions", json=chat(cache_salt="chat"))
                assert refused.json()["error"]["param"] == "cache_salt"
            assert [call.body.get("cache_salt") for call in triton.calls] == salts


def test_models_are_listed_and_found(sdk: openai.OpenAI) -> None:
    """Each model by itself as in the list."""
    for card in sdk.models.list():
        assert sdk.models.retrieve(card.id) == card
    with pytest.raises(openai.NotFoundError) as caught:
        sdk.models.retrieve("nobody")
    assert caught.value.code == "model_not_found"
