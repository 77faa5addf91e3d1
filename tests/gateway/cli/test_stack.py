"""Twin of gateway/cli/stack.py; that it serves is for tests/integration/test_service.py."""

import json
import shlex

import pytest

from gateway.cli.stack import try_it

URL = "http://127.0.0.1:8000"


@pytest.mark.parametrize(
    ("models", "model"),
    [
        (["embedder", "smollm2-instruct", "other-chat"], "smollm2-instruct"),
        (["embedder", "other-chat"], "other-chat"),
        (["embedder"], "embedder"),
        ([], "smollm2-135m-instruct"),
    ],
)
def test_the_line_to_try_asks_a_model_that_chats(models: list[str], model: str):
    """Where one is known by its name; the line is one that a shell can read."""
    command = shlex.split(try_it(URL, models))
    assert command[:3] == ["curl", "-N", f"{URL}/v1/chat/completions"]
    body = json.loads(command[command.index("-d") + 1])
    assert (body["model"], body["stream"]) == (model, True)
    assert not any("Authorization" in part for part in command)


def test_a_gateway_with_keys_is_tried_with_one():
    """Its models are not told without."""
    assert 'Authorization: Bearer $KEY"' in try_it(URL, None)
