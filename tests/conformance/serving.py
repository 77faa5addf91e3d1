"""What the clients are run against: the gateway before a real Triton, whose language models say what is scripted here.

The embedder is the real one. The scripted texts are what a capable model would say to the prompts of the tests, in the
form that the parsers `hermes` and `deepseek_r1` read. No grammar binds a script; where one would bind the model (a call that
must come, a schema), the text is what the grammar would have let through.
"""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from benchmarks.repository import EMBEDDING_MODEL, add_embedder, add_replay
from benchmarks.system import TOKENIZER, RunLayout, serving, write_backends
from gateway.cli.layout import find_layout
from tests.conformance.target import Target

MODEL, REASONER = "conformance", "conformance-reasoner"
_SPECIAL = ("<think>", "</think>", "<tool_call>", "</tool_call>")
_READY_LIMIT_S = 180.0
_TOKEN_S = 0.005
"""Between tokens, so that a stream comes in pieces: what waits to be sent is joined."""

# ChatML with tools as Qwen's and Hermes' templates have them; SmolLM2's own knows neither calls nor their results.
_TEMPLATE = """\
{%- if tools %}<|im_start|>system
{% for tool in tools %}{{ tool | tojson }}
{% endfor %}<|im_end|>
{% endif %}
{%- for message in messages %}<|im_start|>{{ message.role }}
{% if message.role == 'tool' %}<tool_response>{{ message.content }}</tool_response>
{%- else %}{{ message.content or '' }}{% for call in message.tool_calls or [] %}<tool_call>
{{ call.function | tojson }}
</tool_call>{% endfor %}{% endif %}<|im_end|>
{% endfor %}
{%- if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""


@contextmanager
def target(folder: Path) -> Generator[Target, None, None]:
    """The system, ready; ended with the block. `folder` is for what it needs and writes."""
    layout = RunLayout(find_layout().root, folder)
    weights = _weights(layout, folder / "weights")
    write_backends(layout)
    environment = layout.environment("vllm_custom").resolve()
    for name, script, parsers in (
        (MODEL, SCRIPT, {"tool_parser": "hermes"}),
        (
            REASONER,
            [_thoughtful(entry) for entry in SCRIPT],
            {"tool_parser": "hermes", "reasoning_parser": "deepseek_r1"},
        ),
    ):
        played = [{**entry, "token_seconds": _TOKEN_S} for entry in script]
        add_replay(layout, name, played, environment=environment, model=str(weights), vllm_custom=parsers)
    add_embedder(layout)
    with serving(layout, ready_limit_s=_READY_LIMIT_S) as system:
        yield Target(f"http://127.0.0.1:{system.port}/v1", MODEL, REASONER, EMBEDDING_MODEL, tokenizer=str(weights))


def _weights(layout: RunLayout, folder: Path) -> Path:
    """SmolLM2's tokenizer, with the special tokens and the template of a model that reasons and calls tools."""
    source = layout.models / TOKENIZER
    folder.mkdir()
    for name in ("config.json", "tokenizer_config.json"):
        (folder / name).write_bytes((source / name).read_bytes())
    (folder / "chat_template.jinja").write_text(_TEMPLATE)
    tokenizer = Tokenizer.from_file(str(source / "tokenizer.json"))
    tokenizer.add_tokens(list(_SPECIAL))
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def _thoughtful(entry: dict[str, Any]) -> dict[str, Any]:
    """The same, after a thought."""
    return {**entry, "text": f"Is 1 < 2? Yes. 🎉</think>{entry['text']}"}


def _call(name: str, /, **arguments: Any) -> str:
    """As a model of Hermes' kind writes it, also where a grammar makes it."""
    return f"<tool_call>\n{json.dumps({'name': name, 'arguments': arguments}, ensure_ascii=False)}\n</tool_call>"


def _must(prompt: str, name: str, /, **arguments: Any) -> dict[str, Any]:
    """Where some call must come."""
    return {"prompt": prompt, "body": {"tool_choice": "required"}, "text": _call(name, **arguments)}


def _named(prompt: str, name: str, /, **arguments: Any) -> dict[str, Any]:
    """Where a call of this function must come."""
    choice = {"type": "function", "function": {"name": name}}
    return {"prompt": prompt, "body": {"tool_choice": choice}, "text": _call(name, **arguments)}


JOKE = {"setup": "Why did the cat sit on the mat?", "punchline": "It was reserved."}

# The first that fits plays, so what comes late in a conversation stands first.
SCRIPT: list[dict[str, Any]] = [
    _must("What is 3 + 4", "my_adder_tool", a=3, b=4),
    {"prompt": "<tool_response>", "text": "It is sunny in Zürich, and 21 degrees. 🎉"},
    _must("magic_function(3)", "magic_function", input=3),
    _must("magic_function_no_args()", "magic_function_no_args"),
    _must("Pirate greeting", "greeting_generator", answer_style="pirate"),
    _must("Hello!", "magic_function", input=3),
    _named("Hello!", "magic_function", input=3),
    _must("你好啊集团", "unicode_customer", customer_name="你好啊集团", description="Technology"),
    _must("こんにちは株式会社", "unicode_customer", customer_name="こんにちは株式会社", description="A company"),
    {"prompt": "San Francisco", "text": _call("get_weather", location="San Francisco, CA")},
    {"prompt": "Zürich and in Rome", "text": f"{_call('weather', city='Zürich')}\n{_call('weather', city='Rome')}"},
    {"prompt": "Zürich", "text": _call("weather", city="Zürich")},
    _named("Anna is 31", "Person", name="Anna", age=31),
    _named("Anna is 31", "PartialPerson", name="Anna", age=31),  # instructor's name where the answer is to grow
    _must("Anna is 31", "final_result", name="Anna", age=31),
    {"prompt": "Anna is 31", "text": json.dumps({"name": "Anna", "age": 31})},
    _must("Boris is 42", "Person", name="Boris", age=42),
    _named("joke", "Joke", **JOKE),
    _named("joke", "JokeDict", **JOKE),
    {"prompt": "joke", "text": json.dumps(JOKE)},
    {"text": "Hello to you, from a script. 🎉"},
]
