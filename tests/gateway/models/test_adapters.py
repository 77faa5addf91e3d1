"""LoRA adapters as served models."""

from __future__ import annotations

from array import array

import httpx
import pytest

from gateway.dispatch.dispatcher import Dispatcher
from gateway.errors import ModelNotFound
from gateway.generation import GenerationRequest
from gateway.ids import new_id
from gateway.limits.admission import Admission
from gateway.models.generating import GeneratingModel
from tests.fakes.gateway import running_gateway
from tests.fakes.openai import chat, completion
from tests.fakes.sinks import KeepingSink
from tests.fakes.triton import CHAT_MODEL, EMBEDDING_MODEL, FakeTriton
from tests.gateway.conftest import Pair

pytestmark = pytest.mark.anyio


async def test_adapters_are_models_as_long_as_they_are_loaded(pair: Pair) -> None:
    """They come and go without a restart of anything; the model that they are loaded into stays."""
    pair.tritons[0].loras, pair.tritons[1].loras = ["poet"], []
    await pair.catalog.refresh()
    poet = pair.catalog.get("poet", GeneratingModel)
    assert (poet.triton_name, poet.adapter) == (CHAT_MODEL, "poet")
    pair.tritons[0].loras = ["lawyer"]
    await pair.catalog.refresh()
    assert pair.catalog.get("lawyer", GeneratingModel).base == CHAT_MODEL
    with pytest.raises(ModelNotFound):
        pair.catalog.find("poet")
    assert pair.catalog.get(CHAT_MODEL, GeneratingModel).adapter is None


async def test_adapters_of_all_tritons_are_served(pair: Pair) -> None:
    """Whichever Triton has one."""
    pair.tritons[0].loras, pair.tritons[1].loras = ["poet"], ["lawyer"]
    await pair.catalog.refresh()
    await pair.catalog.refresh()
    assert {"poet", "lawyer"} <= {model.name for model in pair.catalog.models()}


async def test_adapter_is_asked_of_a_triton_that_has_it(pair: Pair) -> None:
    """The other would not know it, however idle it is."""
    pair.tritons[0].loras, pair.tritons[1].loras = [], ["poet"]
    await pair.catalog.refresh()
    pair.clients[1].in_flight += 1
    assert pair.catalog.replicas("poet") == [pair.clients[1]]
    assert len(pair.catalog.replicas(CHAT_MODEL)) == 2
    request = GenerationRequest(new_id(), CHAT_MODEL, "chat", array("i", [5]), {}, "poet")
    dispatcher = Dispatcher(pair.catalog, pair.health, stall_timeout_s=5)
    with await Admission(limit=1, queue=0, max_wait_s=1).acquire() as permit:
        await dispatcher.generate(request, permit, KeepingSink())
    assert pair.tritons[1].calls[-1].envelope["lora"] == "poet"


async def test_model_keeps_its_name(pair: Pair) -> None:
    """An adapter cannot take the place of a model."""
    pair.tritons[0].loras, pair.tritons[1].loras = [EMBEDDING_MODEL, CHAT_MODEL], []
    await pair.catalog.refresh()
    assert pair.catalog.get(CHAT_MODEL, GeneratingModel).base is None
    assert not isinstance(pair.catalog.find(EMBEDDING_MODEL), GeneratingModel)


def test_requests_for_an_adapter_name_it() -> None:
    """The model of Triton's is asked, with the adapter in the envelope; the client sees the name that it used."""
    with FakeTriton() as triton:
        triton.loras = ["poet"]
        with running_gateway(triton_urls=(triton.address,)) as gateway, gateway.client() as client:
            gateway.wait_ready()
            listed = _models(client)
            assert {"poet", CHAT_MODEL} <= listed
            for path, body in (("/v1/chat/completions", chat()), ("/v1/completions", completion())):
                answer = client.post(path, json={**body, "model": "poet"})
                assert answer.json()["model"] == "poet"
                assert triton.calls[-1].envelope["lora"] == "poet"
                client.post(path, json=body)
                assert "lora" not in triton.calls[-1].envelope


def _models(client: httpx.Client) -> set[str]:
    return {card["id"] for card in client.get("/v1/models").json()["data"]}
