"""Requests over the whole matrix of fields, drawn anew in the same way each time: an endpoint, a prompt, and some fields."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

CHAT, COMPLETIONS = "/v1/chat/completions", "/v1/completions"
_SEED = 20261126
_MOST_FIELDS = 4
_STREAMED_SHARE = 0.3
_SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 12},
        "age": {"type": "integer", "minimum": 0, "maximum": 150},
    },
    "required": ["name", "age"],
    "additionalProperties": False,
}
_TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}

Fields = Mapping[str, Any]


@dataclass(frozen=True)
class Case:
    """A request. `name` tells of its number and fields."""

    name: str
    path: str
    body: Fields


_QUESTIONS: Sequence[Fields] = [
    {"messages": [{"role": "user", "content": "What is the capital of France?"}]},
    {"messages": [{"role": "user", "content": "Say »naïve 🦊« in JSON."}]},
    {
        "messages": [
            {"role": "system", "content": "You are terse."},
            {"role": "user", "content": "Hello!"},
            {"role": "assistant", "content": "Hello. What can I do?"},
            {"role": "user", "content": [{"type": "text", "text": "Count"}, {"type": "text", "text": "to five."}]},
        ]
    },
    {
        "messages": [
            {"role": "user", "content": "Name a colour."},
            {"role": "assistant", "content": "A colour is"},
        ],
        "add_generation_prompt": False,
        "continue_final_message": True,
    },
]
_PROMPTS: Sequence[Fields] = [
    {"prompt": "The capital of France is"},
    {"prompt": "def fibonacci(n):\n"},
    {"prompt": [1, 504, 3575, 282, 4649, 314]},
    {"prompt": ["One, two,", "A, B, C,"]},
]

# One of a group at most: these exclude or hide each other.
_OF_BOTH: Sequence[Sequence[Fields]] = [
    [{"max_tokens": 1}, {"max_tokens": 5}, {"max_tokens": 24}],
    [{"temperature": 0.8}, {"temperature": 1.2, "top_p": 0.9}, {"temperature": 0.7, "top_k": 5, "min_p": 0.05}],
    [{"n": 2, "temperature": 0.9}, {"n": 3, "temperature": 0.5}],
    [{"stop": "."}, {"stop": [" is", ","]}, {"stop": ["e"], "include_stop_str_in_output": True}],
    [{"stop_token_ids": [198, 30]}, {"ignore_eos": True}, {"min_tokens": 4}],
    [{"presence_penalty": 1.5}, {"frequency_penalty": -1.0}, {"repetition_penalty": 1.3}],
    [
        {"logit_bias": {"504": -100, "260": 20}},
        {"bad_words": [" the", "Paris"]},
        {"allowed_token_ids": list(range(500, 900))},
    ],
    [{"skip_special_tokens": False}, {"spaces_between_special_tokens": False}],
    [{"return_tokens_as_token_ids": True}],
    [{"truncate_prompt_tokens": 5}],
    [{"echo": True}],
    [
        {"response_format": {"type": "json_object"}},
        {"response_format": {"type": "json_schema", "json_schema": {"name": "person", "schema": _SCHEMA}}},
        {"structured_outputs": {"regex": "[a-c]{3,8}"}},
        {"structured_outputs": {"choice": ["yes", "no", "maybe"]}},
    ],
]
_OF_CHAT: Sequence[Sequence[Fields]] = [
    [{"logprobs": True}, {"logprobs": True, "top_logprobs": 0}, {"logprobs": True, "top_logprobs": 5}],
    [{"max_completion_tokens": 9}],
    [{"tools": [_TOOL], "tool_choice": "none"}],
    [{"prompt_logprobs": 1}],
]
_OF_COMPLETIONS: Sequence[Sequence[Fields]] = [
    [{"logprobs": 0}, {"logprobs": 1}, {"logprobs": 5}],
    [{"prompt_logprobs": 2}, {"prompt_logprobs": 0}],
    [{"suffix": "."}],
]


def cases(count: int) -> list[Case]:
    """The first `count` of them."""
    draw = random.Random(_SEED)
    return [_case(draw, number) for number in range(count)]


def _case(draw: random.Random, number: int) -> Case:
    path, prompts, own = draw.choice([(CHAT, _QUESTIONS, _OF_CHAT), (COMPLETIONS, _PROMPTS, _OF_COMPLETIONS)])
    groups = draw.sample([*_OF_BOTH, *own], draw.randint(1, _MOST_FIELDS))
    body: dict[str, Any] = {"max_tokens": 12, **draw.choice(prompts)}
    for group in groups:
        body |= draw.choice(group)
    # vLLM has no log probabilities of a prompt in a stream.
    if draw.random() < _STREAMED_SHARE and "prompt_logprobs" not in body:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    shown = [name for name in body if name not in ("messages", "prompt", "stream_options")]
    return Case(f"{number}-{path.split('/')[2]}-{'-'.join(shown)}", path, body)
