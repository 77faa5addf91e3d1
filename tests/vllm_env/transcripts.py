"""What models of several families say, and what is to be made of it."""

from __future__ import annotations

from typing import NamedTuple

CITY = {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}}
TOOLS = [
    {"type": "function", "function": {"name": "weather", "description": "Forecast.", "parameters": CITY}},
    {"type": "function", "function": {"name": "now", "parameters": {"type": "object", "properties": {}}}},
]


class Transcript(NamedTuple):
    """`calls` are names with their arguments as values. DeepSeek's template opens the reasoning in the prompt."""

    tool: str | None
    reasoning: str | None
    generated: str
    content: str
    thought: str
    calls: list[tuple[str, dict[str, object]]]


TRANSCRIPTS: dict[str, Transcript] = {
    "hermes calls": Transcript(
        "hermes", None,
        'Let me see. <tool_call>\n{"name": "weather", "arguments": {"city": "Zürich", "days": 2}}\n</tool_call>',
        "Let me see. ", "", [("weather", {"city": "Zürich", "days": 2})],
    ),
    "hermes calls twice": Transcript(
        "hermes", None,
        '<tool_call>\n{"name": "weather", "arguments": {"city": "a<b>c 🎉 \\"q\\""}}\n</tool_call>\n'
        '<tool_call>\n{"name": "now", "arguments": {}}\n</tool_call>',
        "", "", [("weather", {"city": 'a<b>c 🎉 "q"'}), ("now", {})],
    ),
    "hermes only talks": Transcript("hermes", None, "No tool for this: 1 < 2.", "No tool for this: 1 < 2.", "", []),
    "llama calls": Transcript(
        "llama3_json", None,
        '<|python_tag|>{"name": "weather", "parameters": {"city": "Zürich", "days": 2}}',
        "", "", [("weather", {"city": "Zürich", "days": 2})],
    ),
    "llama only talks": Transcript("llama3_json", None, "Sunny, I think.", "Sunny, I think.", "", []),
    "pythonic calls": Transcript(
        "pythonic", None, "[weather(city='Zürich', days=2), now()]",
        "", "", [("weather", {"city": "Zürich", "days": 2}), ("now", {})],
    ),
    "qwen coder calls": Transcript(
        "qwen3_coder", None,
        "I look it up.<tool_call>\n<function=weather>\n<parameter=city>\nZürich\n</parameter>\n<parameter=days>\n2\n"
        "</parameter>\n</function>\n</tool_call>",
        "I look it up.", "", [("weather", {"city": "Zürich", "days": 2})],
    ),
    "deepseek reasons": Transcript(
        None, "deepseek_r1", "Is 1 < 2? É🎉 yes.</think>Yes.", "Yes.", "Is 1 < 2? É🎉 yes.", []
    ),
    "deepseek never ends": Transcript(None, "deepseek_r1", "On and on", "", "On and on", []),
    "qwen reasons": Transcript(None, "qwen3", "<think>hm</think>Yes.", "Yes.", "hm", []),
    "reasons and calls": Transcript(
        "hermes", "deepseek_r1",
        'I need the weather.</think><tool_call>\n{"name": "weather", "arguments": {"city": "Rom"}}\n</tool_call>',
        "", "I need the weather.", [("weather", {"city": "Rom"})],
    ),
}  # fmt: skip
