"""The fields of a chat: which are taken, which refused and by what name, and what they come to."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from gateway.apis.chat.schema import ChatCompletionRequest
from gateway.prompting.conversation import Conversation
from tests.fakes.openai import chat
from tests.fakes.triton import FakeTriton
from tests.gateway.apis.chat.test_tools import NAMED, TOOLS, WEATHER

PATH = "/v1/chat/completions"
OTHER = {"type": "function", "function": {"name": "other"}}


def answered(client: httpx.Client, **fields: Any) -> dict[str, Any]:
    response = client.post(PATH, json=chat(**fields))
    assert response.status_code == 200, response.text
    return response.json()


def parsed(**fields: Any) -> ChatCompletionRequest:
    return ChatCompletionRequest.model_validate(chat(**fields))


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"functions": [WEATHER], "tools": TOOLS}, "functions"),
        ({"functions": []}, "functions"),
        ({"function_call": "auto"}, "function_call"),
        ({"functions": [WEATHER], "function_call": {"name": "other"}}, "function_call"),
        ({"functions": [WEATHER], "function_call": "always"}, "function_call"),
        (
            {
                "tools": TOOLS,
                "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [OTHER]}},
            },
            "tool_choice",
        ),
        (
            {
                "tools": TOOLS,
                "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "none", "tools": [OTHER]}},
            },
            "tool_choice.allowed_tools.mode",
        ),
        ({"tools": TOOLS, "tool_choice": {"type": "custom", "custom": {"name": "x"}}}, "tool_choice.type"),
        ({"tools": [{"type": "custom", "custom": {"name": "x"}}]}, "tools[0].type"),
    ],
)
def test_wrong_choice_of_tools_is_named(client: httpx.Client, fields: dict[str, Any], param: str) -> None:
    """By the field that the client wrote."""
    response = client.post(PATH, json=chat(**fields))
    assert response.status_code == 400
    assert response.json()["error"]["param"] == param


BIG = "123456789012345678901234567890"


@pytest.mark.parametrize("number", [BIG, "18446744073709551616", "3.14159265358979323846"])
def test_numbers_keep_their_digits(triton: FakeTriton, client: httpx.Client, number: str) -> None:
    """In whatever is passed on: to the engine as it was written, and to the template."""
    schema = {"type": "object", "properties": {"n": {"type": "number", "enum": ["NUMBER"], "maximum": "NUMBER"}}}
    fields: dict[str, Any] = {
        "tools": [{"type": "function", "function": {"name": "f", "parameters": schema}}],
        "response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": schema}},
        "repetition_detection": {"x": "NUMBER"},
        "temperature": 0.5,
        "logit_bias": {"5": 1},
        "metadata": {"m": "NUMBER"},
    }
    content = json.dumps(chat(**fields)).replace('"NUMBER"', number).replace("0.5", "0.5000000000000000001")
    content = content.replace('"5": 1', '"5": 1.5000000000000000001')
    response = client.post(PATH, content=content)
    assert response.status_code == 200, response.text
    call = triton.next_call()
    assert call.envelope_text.count(f"[{number}]") == 2
    assert call.envelope_text.count(f'"maximum":{number}') == 2
    assert f'"repetition_detection":{{"x":{number}}}' in call.envelope_text
    assert (call.body["temperature"], call.body["logit_bias"]) == (0.5, {"5": 1.5})


@pytest.mark.parametrize("where", ["tools", "response_format"])
def test_number_that_no_parser_holds_is_refused(client: httpx.Client, where: str) -> None:
    """Rather than passed on as null or infinity."""
    response = client.post(PATH, content=json.dumps(chat(**{where: "NUMBER"})).replace('"NUMBER"', "[1e400]"))
    assert response.status_code == 400
    assert "infinity" in response.json()["error"]["message"]


def test_both_ends_can_not_be_had(client: httpx.Client) -> None:
    """As in vLLM."""
    response = client.post(PATH, json=chat(continue_final_message=True, add_generation_prompt=True))
    assert response.json()["error"]["param"] == "add_generation_prompt"


def test_two_formats_are_one_too_many(client: httpx.Client) -> None:
    """Which of them would count is not for us to guess."""
    fields = {"structured_outputs": {"regex": "a"}, "response_format": {"type": "json_object"}}
    response = client.post(PATH, json=chat(**fields))
    assert response.json()["error"]["param"] == "structured_outputs"


@pytest.mark.parametrize("name", ChatCompletionRequest.hints)
def test_hint_is_accepted(triton: FakeTriton, client: httpx.Client, name: str) -> None:
    """Whatever it says; the engine never hears of it."""
    answered(client, **{name: {"some": ["value"]}})
    assert name not in triton.next_call().body


def test_every_role_takes_a_list(client: httpx.Client) -> None:
    """Parts of text, and the assistant's refusals."""
    text = [{"type": "text", "text": "a"}]
    messages = [
        {"role": "developer", "content": text},
        {"role": "system", "content": text},
        {"role": "user", "content": text, "name": "Eve"},
        {"role": "assistant", "content": [*text, {"type": "refusal", "refusal": "no"}], "refusal": None},
        {
            "role": "assistant",
            "content": text,
            "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": "{}"}}],
        },
        {"role": "tool", "content": text, "tool_call_id": "c"},
        {"role": "function", "content": text, "name": "f"},
    ]
    assert answered(client, messages=messages)["choices"]


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"tools": []}, "tools"),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
        ({"tools": [{"type": "function"}]}, "tools[0].function"),
        ({"tools": [{"type": "function", "function": {"name": ""}}]}, "tools[0].function.name"),
        ({"tools": TOOLS, "tool_choice": "sometimes"}, "tool_choice"),
        ({"tools": TOOLS, "tool_choice": {"type": "function", "function": {"name": "other"}}}, "tool_choice"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tool_choice": NAMED}, "tool_choice"),
    ],
)
def test_wrong_tools_are_refused_by_name(client: httpx.Client, changes: dict[str, Any], param: str) -> None:
    """A 400 that names the field."""
    response = client.post("/v1/chat/completions", json=chat(**changes))
    assert response.status_code == 400, response.text
    assert response.json()["error"]["param"] == param


@pytest.mark.parametrize(
    ("fields", "limit"),
    [
        ({}, None),
        ({"max_tokens": 5}, 5),
        ({"max_completion_tokens": 6}, 6),
        ({"max_tokens": 7, "max_completion_tokens": 7}, 7),
        ({"max_tokens": 7, "max_completion_tokens": 8}, 8),
        ({"max_tokens": 8, "max_completion_tokens": 7}, 7),
    ],
)
def test_limit_has_two_names(fields: dict[str, Any], limit: int | None) -> None:
    """The turn has the one that was given, or the newer one of two; neither reaches the engine's options by itself."""
    turn = parsed(**fields).turn()
    assert turn.limit == limit
    assert not turn.params.keys() & {"max_tokens", "max_completion_tokens"}


@pytest.mark.parametrize(
    "fields",
    [
        {"top_logprobs": 2},
        {"logprobs": False, "logprob_token_ids": [5]},
    ],
    ids=["top", "ids"],
)
def test_fields_that_contradict_are_refused(fields: dict[str, Any]) -> None:
    """Details of log-probabilities that nobody asked for."""
    with pytest.raises(ValidationError):
        parsed(**fields)


def test_turn_says_what_the_model_is_asked() -> None:
    """The conversation, the options, and how the prompt is to be cut."""
    turn = parsed(temperature=0.5, truncate_prompt_tokens=4, truncation_side="right", add_special_tokens=False).turn()
    assert isinstance(turn.prompts, Conversation)
    assert turn.prompts.messages == [{"role": "user", "content": "Hi"}]
    assert (turn.api, turn.param, turn.limit_field) == ("chat", "messages", "max_completion_tokens")
    assert (turn.keep, turn.keep_side, turn.special_tokens) == (4, "right", False)
    assert (turn.params, turn.tools_param) == ({"temperature": 0.5}, None)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tools": TOOLS}, "tools"),
        ({"tools": TOOLS, "tool_choice": "none"}, None),
        ({"functions": [WEATHER]}, "functions"),
        ({"functions": [WEATHER], "function_call": "none"}, None),
    ],
)
def test_turn_names_the_field_of_the_tools(fields: dict[str, Any], param: str | None) -> None:
    """By the name that the client used, and not at all where nothing may be called."""
    assert parsed(**fields).turn().tools_param == param


@pytest.mark.parametrize(
    ("fields", "arguments", "needs"),
    [
        ({}, {}, {}),
        (
            {"reasoning_effort": "low"},
            {"reasoning_effort": "low", "enable_thinking": True},
            {"reasoning_effort": {"reasoning_effort", "enable_thinking"}},
        ),
        ({"reasoning_effort": "none"}, {"reasoning_effort": "none", "enable_thinking": False}, {}),
        (
            {"reasoning_effort": "high", "chat_template_kwargs": {"enable_thinking": False}},
            {"reasoning_effort": "high", "enable_thinking": False},
            {"reasoning_effort": {"reasoning_effort", "enable_thinking"}},
        ),
        ({"documents": [{"text": "D"}]}, {"documents": [{"text": "D"}]}, {"documents": {"documents"}}),
    ],
    ids=["nothing", "effort", "no effort", "both", "documents"],
)
def test_template_arguments_have_several_sources(
    fields: dict[str, Any], arguments: dict[str, Any], needs: dict[str, set[str]]
) -> None:
    """What the client names itself wins; a field that bears on the prompt says which variable must look at it."""
    conversation = parsed(**fields).conversation()
    assert conversation.arguments == arguments
    assert conversation.needs == needs
    assert set(conversation.named_arguments) == set(fields.get("chat_template_kwargs", ()))


@pytest.mark.parametrize(("role", "echoed"), [("assistant", "Well"), ("user", None)])
def test_only_the_assistant_is_echoed(role: str, echoed: str | None) -> None:
    """The answer begins with the last message where that is the beginning of an answer."""
    messages = [{"role": role, "content": "Well"}]
    assert parsed(messages=messages, echo=True).echoed == echoed
    assert parsed(messages=messages).echoed is None
