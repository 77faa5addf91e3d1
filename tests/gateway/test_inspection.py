"""Every model of a Triton, and why it is or is not served."""

from __future__ import annotations

import pytest

from gateway.errors import Unavailable
from gateway.inspection import inspect
from tests.fakes.triton import CHAT_MODEL, EMBEDDING_MODEL, MODERATION_MODEL, FakeTriton, toy_files

pytestmark = pytest.mark.anyio


async def test_served_models_have_a_kind(triton: FakeTriton) -> None:
    """Each its own, and no reason; whatever else Triton has says why it is not served."""
    found = {model.name: model for model in await inspect(triton.address)}
    kinds = {name: found[name].kind for name in (CHAT_MODEL, EMBEDDING_MODEL, MODERATION_MODEL)}
    assert kinds == {CHAT_MODEL: "generating", EMBEDDING_MODEL: "embedding", MODERATION_MODEL: "moderation"}
    assert all(model.state == "READY" for model in found.values())
    assert all(bool(model.reason) is (model.kind is None) for model in found.values())


async def test_model_that_lacks_a_file_has_a_reason() -> None:
    """The same that the gateway logs."""
    files = toy_files()
    del files[EMBEDDING_MODEL]["tokenizer.json"]
    with FakeTriton(files=files) as triton:
        [model] = [model for model in await inspect(triton.address) if model.name == EMBEDDING_MODEL]
    assert (model.kind, model.reason) == (None, "it offers no tokenizer.json")


async def test_triton_that_is_away_is_an_error() -> None:
    """And not an empty list."""
    with pytest.raises(Unavailable):
        await inspect("127.0.0.1:1")
