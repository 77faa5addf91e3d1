"""How a model is recognised: the table of `docs/contract.md`."""

from __future__ import annotations

from typing import Any

import pytest
from tritonclient.grpc import model_config_pb2

from gateway.triton.discovery import DiscoveredModel, from_config


def config(*, inputs: tuple[str, ...] = (), max_batch_size: int = 0, **parameters: str) -> Any:
    message = model_config_pb2.ModelConfig(name="m", max_batch_size=max_batch_size)
    for name in inputs:
        message.input.add(name=name)
    for name, value in parameters.items():
        message.parameters[name].string_value = value
    return message


@pytest.mark.parametrize(
    ("described", "expected"),
    [
        (config(inputs=("request", "token_ids")), DiscoveredModel("m", "generation")),
        (config(inputs=("text_input",)), None),
        (config(), None),
        (config(inputs=("request",), openai_task="assets"), DiscoveredModel("m", "assets", 1)),
        (
            config(openai_task="embedding", max_tokens="256", max_batch_size=8),
            DiscoveredModel("m", "embedding", 8, 256),
        ),
        (config(openai_task="moderation"), DiscoveredModel("m", "moderation", 1, 0)),
        (config(openai_task="juggling"), DiscoveredModel("m", "juggling", 1)),
        (config(openai_task=""), None),
    ],
)
def test_models_are_recognised(described: Any, expected: DiscoveredModel | None) -> None:
    """By the parameter where there is one, whatever it says, else by the input; anything else is no model of ours."""
    assert from_config(described) == expected


@pytest.mark.parametrize("value", ["", "many", "-1", "1.5", "²", "1e3"])
def test_senseless_limit_means_none(value: str) -> None:
    """A `max_tokens` that is no number is logged and taken as unlimited."""
    assert from_config(config(openai_task="embedding", max_tokens=value)) == DiscoveredModel("m", "embedding", 1, 0)
