"""A turn, neutral of its API: the names of its fields, and what can't be asked of a backend that makes the prompts."""

from __future__ import annotations

from typing import Any, cast

import pytest

from gateway.errors import BadRequest
from gateway.generation import Api
from gateway.prompting.conversation import Conversation
from gateway.prompting.images.reading import Images
from gateway.prompting.turn import Prompting, Turn, backend_fields

HELLO = [{"role": "user", "content": "Hi"}]
TOOLS = [{"type": "function", "function": {"name": "now"}}]


@pytest.mark.parametrize(
    ("api", "param", "limit_field"),
    [("chat", "messages", "max_completion_tokens"), ("completions", "prompt", "max_tokens")],
)
def test_fields_are_called_as_the_api_has_them(api: Api, param: str, limit_field: str) -> None:
    """That of the prompt in errors, that of the limit to the engine."""
    turn = Turn(api, ["Hi"], {})
    assert (turn.param, turn.limit_field) == (param, limit_field)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"keep": 4}, "truncate_prompt_tokens"),
        ({"keep": -1}, "truncate_prompt_tokens"),
        ({"special_tokens": False}, "add_special_tokens"),
        ({"echoes_tokens": True}, "echo"),
    ],
)
def test_token_fields_can_be_refused(fields: dict[str, Any], param: str) -> None:
    """By name, with the model's."""
    with pytest.raises(BadRequest, match="`m`") as caught:
        Turn("completions", ["Hi"], {}, **fields).refuse_token_fields("m")
    assert (caught.value.param, caught.value.code) == (param, "unsupported_parameter")


def test_other_fields_are_no_token_fields() -> None:
    """A side to cut at cuts nothing by itself."""
    Turn("completions", ["Hi"], {"seed": 7}, limit=5, keep_side="left").refuse_token_fields("m")


def test_only_listed_variables_may_be_set() -> None:
    """By the client itself; what the gateway sets on its behalf is not asked about."""
    prompting = Prompting(cast("Images", None), template_arguments=("thinking",))
    allowed = Conversation(HELLO, arguments={"thinking": True, "documents": []}, named_arguments={"thinking"})
    prompting.check_arguments(allowed)
    with pytest.raises(BadRequest) as caught:
        prompting.check_arguments(Conversation(HELLO, named_arguments=["thinking", "messages"]))
    assert caught.value.param == "chat_template_kwargs.messages"


@pytest.mark.parametrize(
    ("conversation", "params", "fields"),
    [
        (Conversation(HELLO), {}, {}),
        (Conversation(HELLO, arguments={"documents": ["D"], "thinking": True}), {}, {"documents": ["D"]}),
        (Conversation(HELLO, asks_for_turn=False), {}, {"add_generation_prompt": False}),
        (
            Conversation(HELLO, asks_for_turn=False, continues=True),
            {},
            {"add_generation_prompt": False, "continue_final_message": True},
        ),
        (Conversation(HELLO, tools=TOOLS), {}, {"tools": TOOLS, "tool_choice": "none"}),
        (Conversation(HELLO, tools=TOOLS), {"tools": TOOLS, "tool_choice": "auto"}, {}),
    ],
    ids=["nothing", "documents", "open end", "goes on", "tools to know", "tools to call"],
)
def test_backend_is_told_what_else_bears_on_the_prompt(
    conversation: Conversation, params: dict[str, Any], fields: dict[str, Any]
) -> None:
    """By vLLM's names, and nothing that it hears anyway."""
    assert backend_fields(conversation, params) == fields
