"""Every model of a Triton, and why it is or is not served."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.errors import Unavailable
from gateway.inspection import Inspected, explained, inspect
from gateway.repository.wanted import change_wanted
from tests.fakes.triton import CHAT_MODEL, EMBEDDING_MODEL, MODERATION_MODEL, FakeTriton, toy_files

pytestmark = pytest.mark.anyio


async def test_served_models_have_a_kind(triton: FakeTriton) -> None:
    """Each its own, and no reason; whatever else Triton has says why it is not served."""
    found = {model.name: model for model in await inspect(triton.address)}
    kinds = {name: found[name].kind for name in (CHAT_MODEL, EMBEDDING_MODEL, MODERATION_MODEL)}
    assert kinds == {CHAT_MODEL: "generating", EMBEDDING_MODEL: "embedding", MODERATION_MODEL: "moderation"}
    abilities = {name: found[name].abilities for name in kinds}
    assert abilities == {CHAT_MODEL: ("chat", "complete"), EMBEDDING_MODEL: ("embed",), MODERATION_MODEL: ("moderate",)}
    assert all(model.state == "READY" for model in found.values())
    assert all(bool(model.reason) is (model.kind is None) for model in found.values())


async def test_model_that_lacks_a_file_has_a_reason() -> None:
    """The same that the gateway logs."""
    files = toy_files()
    del files[EMBEDDING_MODEL]["tokenizer.json"]
    with FakeTriton(files=files) as triton:
        [model] = [model for model in await inspect(triton.address) if model.name == EMBEDDING_MODEL]
    assert (model.kind, model.reason) == (None, "it offers no tokenizer.json")


async def test_every_state_of_triton_is_shown() -> None:
    """With Triton's own reason, for this is the operator's list."""
    with FakeTriton() as triton:
        triton.ready = ["stranger"]
        triton.tasks = {"stranger": "embeddings"}
        triton.unready = [("broken", "UNAVAILABLE", "no file /srv/m"), ("coming", "LOADING", ""), ("never", "", "")]
        found = {model.name: (model.kind, model.state, model.reason) for model in await inspect(triton.address)}
    assert found == {
        "stranger": (None, "READY", "its openai_task 'embeddings' is not known to this gateway"),
        "broken": (None, "UNAVAILABLE", "no file /srv/m"),
        "coming": (None, "LOADING", ""),
        "never": (None, "UNLOADED", ""),
    }


async def test_missing_assets_is_a_reason() -> None:
    """Of those that need it."""
    with FakeTriton() as triton:
        triton.ready.remove("assets")
        found = {model.name: model for model in await inspect(triton.address)}
    assert "`assets`" in found[EMBEDDING_MODEL].reason
    assert found[CHAT_MODEL].kind == "generating"


async def test_triton_that_is_away_is_an_error() -> None:
    """And not an empty list."""
    with pytest.raises(Unavailable):
        await inspect("127.0.0.1:1")


def test_what_nobody_has_loaded_says_why(tmp_path: Path) -> None:
    """Where the folders tell, or an administrator has unloaded it; Triton's own reasons stay."""
    for name in ("a model", "resting", "failed", "served", "new"):
        (tmp_path / "repository" / name / "1").mkdir(parents=True)
    change_wanted(tmp_path, lambda wanted: wanted.unload(tmp_path / "repository" / "resting"))
    said = {"resting": "unloaded", "failed": "no such file"}
    models = [
        Inspected("t", name, "1", "generating" if name == "served" else None, "", said.get(name, ""))
        for name in ("a model", "resting", "failed", "served", "new")
    ]
    reasons = {model.name: model.reason for model in explained(models, [tmp_path / "repository"], tmp_path)}
    assert "rename the folder" in reasons.pop("a model")
    assert reasons == {
        "resting": "unloaded, until `triton-gateway load resting`",
        "failed": "no such file",
        "served": "",
        "new": "",
    }
    assert explained(models, [tmp_path / "nowhere"], tmp_path) == models
