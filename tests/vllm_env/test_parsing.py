"""vLLM's parsers over exact transcripts, cut in the cruellest ways, and through the whole backend."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from vllm_custom.contract.parsed import joined
from vllm_custom.contract.plan import Plan
from vllm_custom.engine.parser_names import ParserNames
from vllm_custom.engine.parsing import Parsers
from vllm_custom.engine.pieces import pieces
from vllm_custom.errors import BadRequest, ConfigError
from vllm_custom.replay.playback import ReplayChoice, ReplayOutput

from tests.vllm_env.transcripts import TOOLS, TRANSCRIPTS, Transcript

NAMED = {"type": "function", "function": {"name": "weather"}}


@pytest.fixture
def tokenizer(model_directory):
    from vllm.tokenizers import get_tokenizer

    return get_tokenizer(str(model_directory / "1" / "weights"))


def chat_request(**body: Any) -> Any:
    from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest

    return ChatCompletionRequest.model_validate({"messages": [{"role": "user", "content": "-"}], **body})


def steps(
    tokenizer: Any, ids: list[int], width: int, reason: str = "stop", stop: str | None = None
) -> Iterator[ReplayOutput]:
    """The text as an engine says it, `width` tokens a step; a character is told with the last of its bytes."""
    reported = 0
    for start in range(0, len(ids), width):
        upto = ids[: start + width]
        whole = tokenizer.decode(upto, skip_special_tokens=False).rstrip("\ufffd")
        last = start + width >= len(ids)
        piece, reported = whole[reported:], len(whole)
        yield ReplayOutput(
            [
                ReplayChoice(
                    0, piece, ids[start : start + width], None, reason if last else None, stop if last else None
                )
            ],
            last,
        )


def reported(parsed: list[Any]) -> dict[str, Any]:
    """All that was said, joined as the outbox joins it."""
    extra = joined([choice.parsed for step in parsed for choice in step.outputs if choice.parsed]) or {}
    calls = [(call["name"], json.loads(call["arguments"])) for call in extra.get("tool_calls", [])]
    return {
        "content": "".join(choice.text for step in parsed for choice in step.outputs),
        "thought": extra.get("reasoning", ""),
        "calls": calls,
        "finish_reason": parsed[-1].outputs[-1].finish_reason,
        "ids": [call["id"] for call in extra.get("tool_calls", [])],
    }


def read(tokenizer: Any, transcript: Transcript, width: int, **body: Any) -> dict[str, Any]:
    tools = {"tools": TOOLS} if transcript.tool else {}
    reader = Parsers(ParserNames(transcript.tool, transcript.reasoning), tokenizer).reader(
        chat_request(**tools, **body), [2, 3, 4]
    )
    assert reader is not None
    ids = tokenizer.encode(transcript.generated, add_special_tokens=False)
    return reported([reader.read(step) for step in steps(tokenizer, ids, width)])


def check(result: dict[str, Any], transcript: Transcript) -> None:
    assert result["content"].strip() == transcript.content.strip()
    assert result["thought"].strip() == transcript.thought
    assert result["calls"] == transcript.calls
    assert result["finish_reason"] == ("tool_calls" if transcript.calls else "stop")
    assert all(result["ids"])
    assert len(set(result["ids"])) == len(transcript.calls)


@pytest.mark.parametrize("width", [1, 2, 3, 5, 17])
@pytest.mark.parametrize("name", TRANSCRIPTS)
def test_stream_is_parsed_however_it_is_cut(tokenizer, name, width):
    """Byte by byte and in larger pieces: the same answer, reasoning and calls, and no markup."""
    check(read(tokenizer, TRANSCRIPTS[name], width, stream=True), TRANSCRIPTS[name])


@pytest.mark.parametrize("name", TRANSCRIPTS)
def test_whole_answer_is_parsed(tokenizer, name):
    """What does not stream is parsed once, with the same result."""
    check(read(tokenizer, TRANSCRIPTS[name], 10_000, stream=False), TRANSCRIPTS[name])


MARKUP = ("<tool_call>", "</tool", "<function", "<parameter", "<|python_tag|>", "weather(", '"name"', "</think>")


@pytest.mark.parametrize(("reason", "stop"), [("length", None), ("stop", "a stop string")])
@pytest.mark.parametrize("name", TRANSCRIPTS)
def test_broken_off_answer_reads_the_same_whole_and_streamed(tokenizer, name, reason, stop):
    """At whatever token: no markup, and no call that could be made unless the model wrote its arguments to the end."""
    transcript = TRANSCRIPTS[name]
    tools = {"tools": TOOLS} if transcript.tool else {}
    parsers = Parsers(ParserNames(transcript.tool, transcript.reasoning), tokenizer)
    ids = tokenizer.encode(transcript.generated, add_special_tokens=False)
    for cut in range(1, len(ids)):
        said: list[tuple[Any, ...]] = []
        for stream, width in ((True, 1), (False, cut)):
            reader = parsers.reader(chat_request(stream=stream, **tools), [2, 3, 4])
            parsed = [reader.read(step) for step in steps(tokenizer, ids[:cut], width, reason, stop)]
            extra = joined([choice.parsed for step in parsed for choice in step.outputs if choice.parsed]) or {}
            calls = [(call["name"], call["arguments"]) for call in extra.get("tool_calls", [])]
            content = "".join(choice.text for step in parsed for choice in step.outputs)
            said.append((content, extra.get("reasoning", ""), calls, parsed[-1].outputs[-1].finish_reason))
        streamed, whole = said
        assert whole == streamed, cut
        content, _, calls, finish_reason = whole
        assert not any(mark in content for mark in MARKUP), content
        finished = [call for call in calls if is_json(call[1])]
        assert [(call, json.loads(text)) for call, text in finished] == transcript.calls[: len(finished)]
        assert finish_reason == ("tool_calls" if stop and calls and calls == finished else reason)


def is_json(text: str) -> bool:
    try:
        return bool(json.loads(text)) or True
    except ValueError:
        return False


def test_call_that_its_model_never_ends_can_not_be_made(tokenizer):
    """It has ended the answer in the midst of the arguments."""
    transcript = Transcript("hermes", None, '<tool_call>\n{"name": "weather", "arguments": {"city": "R', "", "", [])
    ids = tokenizer.encode(transcript.generated, add_special_tokens=False)
    reader = Parsers(ParserNames("hermes", None), tokenizer).reader(chat_request(tools=TOOLS, stream=True), [2])
    assert [reader.read(step) for step in steps(tokenizer, ids, 1)][-1].outputs[0].finish_reason == "stop"


@pytest.mark.parametrize("text", ["plain text", "É🎉 two  spaces\n\n", "<think>a</think> 👩‍👩‍👧 b", "🎉"])
def test_pieces_are_those_of_a_stream(tokenizer, text):
    """A piece for each token, together the text, also where it ends before the tokens do."""
    ids = tokenizer.encode(text, add_special_tokens=False)
    streamed = [step.outputs[0].text for step in steps(tokenizer, ids, 1)]
    assert list(pieces(tokenizer, ids, text, skip_special_tokens=False)) == streamed
    assert "".join(pieces(tokenizer, ids, text[:3], skip_special_tokens=False)) == text[:3]


def test_opening_tag_of_reasoning_is_no_part_of_it(tokenizer):
    """A model that says `<think>` itself is understood as well."""
    transcript = TRANSCRIPTS["deepseek reasons"]
    transcript = transcript._replace(generated="<think>" + transcript.generated)
    check(read(tokenizer, transcript, 1, stream=True), transcript)
    check(read(tokenizer, transcript, 10_000, stream=False), transcript)


@pytest.mark.parametrize("stream", [True, False])
def test_one_call_where_parallel_ones_are_not_wanted(tokenizer, stream):
    """`parallel_tool_calls: false` leaves the first call."""
    transcript = TRANSCRIPTS["hermes calls twice"]
    result = read(tokenizer, transcript, 3 if stream else 10_000, stream=stream, parallel_tool_calls=False)
    assert result["calls"] == transcript.calls[:1]


@pytest.mark.parametrize("stream", [True, False])
def test_reasoning_can_be_left_out(tokenizer, stream):
    """`include_reasoning: false` tells the answer alone, and no tokens either."""
    transcript = TRANSCRIPTS["deepseek reasons"]
    result = read(tokenizer, transcript, 3 if stream else 10_000, stream=stream, include_reasoning=False)
    assert (result["content"], result["thought"]) == (transcript.content, "")
    reader = Parsers(ParserNames(None, "deepseek_r1"), tokenizer).reader(chat_request(include_reasoning=False), [2])
    assert reader is not None
    assert reader.restrict(Plan(1, 5, 3, True)) == Plan(1, 5, None, False)


@pytest.mark.parametrize("included", [True, False])
@pytest.mark.parametrize("reason", ["stop", "length"])
@pytest.mark.parametrize("width", [1, 3, 10_000])
@pytest.mark.parametrize(
    ("name", "generated"),
    [
        ("deepseek_r1", "One two three.</think>Yes."),
        ("deepseek_r1", "<think>One two three.</think>Yes."),
        ("qwen3", "<think>One two three.</think>Yes."),
        ("deepseek_r1", "One two three."),
        ("qwen3", "Yes.</s>"),
    ],
)
def test_reasoning_is_counted_whoever_opened_it(tokenizer, name, generated, width, reason, included):
    """The template too; a thought that never ends is all reasoning, without the token that ended the answer."""
    ids = tokenizer.encode(generated, add_special_tokens=False)
    if "Yes" not in generated and reason == "stop":
        ids.append(tokenizer.convert_tokens_to_ids("</s>"))
    thought = len(tokenizer.encode("One two three.", add_special_tokens=False)) if "One" in generated else 0
    prompt = [2, tokenizer.convert_tokens_to_ids("<think>")] if name == "deepseek_r1" else [2, 3]
    if name == "qwen3" and not thought:
        prompt += [tokenizer.convert_tokens_to_ids("<think>"), tokenizer.convert_tokens_to_ids("</think>")]
    request = chat_request(stream=width < 10_000, include_reasoning=included)
    reader = Parsers(ParserNames(None, name), tokenizer).reader(request, prompt)
    assert reader is not None
    last = [reader.read(step) for step in steps(tokenizer, ids, width, reason)][-1].outputs[-1]
    assert last.reasoning_tokens == thought


@pytest.mark.parametrize("stream", [True, False])
def test_named_function_ends_with_stop(tokenizer, stream):
    """Where the client named the function, the answer is a call, whose finish reason is `stop` as OpenAI has it."""
    transcript = TRANSCRIPTS["hermes calls"]
    result = read(tokenizer, transcript, 3 if stream else 10_000, stream=stream, tool_choice=NAMED)
    assert (result["calls"], result["finish_reason"]) == (transcript.calls, "stop")


@pytest.mark.parametrize("choice", ["required", NAMED])
def test_forced_call_is_a_grammar(tokenizer, choice):
    """A call that must come is made certain by a structural tag of the function's name and schema."""
    request = chat_request(tools=TOOLS, tool_choice=choice)
    Parsers(ParserNames("hermes", None), tokenizer).reader(request, [2])
    tag = request.structured_outputs.structural_tag
    assert '\\"weather\\"' in tag
    assert ('\\"now\\"' in tag) == (choice == "required")
    assert request.skip_special_tokens is False


@pytest.mark.parametrize("body", [{}, {"tools": TOOLS, "tool_choice": "none"}])
def test_nothing_is_parsed_that_cannot_be_a_call(tokenizer, body):
    """Without tools, or with `tool_choice: none`, there is no reader."""
    assert Parsers(ParserNames("hermes", None), tokenizer).reader(chat_request(**body), [2]) is None


def test_tools_need_a_parser(tokenizer):
    """A model that has none refuses tools by name, and takes them where they are not to be called."""
    parsers = Parsers(ParserNames(None, None), tokenizer)
    for choice in ("auto", "required", NAMED):
        with pytest.raises(BadRequest, match="tool parser") as refused:
            parsers.reader(chat_request(tools=TOOLS, tool_choice=choice), [2])
        assert refused.value.param == "tools"
    assert parsers.reader(chat_request(tools=TOOLS, tool_choice="none"), [2]) is None


@pytest.mark.parametrize("names", [ParserNames("nonsense", None), ParserNames(None, "nonsense")])
def test_unknown_parser_is_refused_with_the_known_ones(tokenizer, names):
    """The message lists what vLLM has."""
    with pytest.raises(ConfigError, match=r"nonsense.*hermes.*deepseek_r1"):
        Parsers(names, tokenizer)


def test_every_parser_of_vllm_can_be_named(tokenizer):
    """Each name is found. Cohere's want a package of their own, `hf` and `beam` a template of the model's, others a
    tokenizer that knows their special tokens."""
    from vllm.reasoning import ReasoningParserManager
    from vllm.tool_parsers import ToolParserManager

    names = [ParserNames(name, None) for name in ToolParserManager.list_registered()]
    names += [ParserNames(None, name) for name in ReasoningParserManager.list_registered()]
    assert len(names) > 60
    refused: dict[ParserNames, str] = {}
    for each in names:
        try:
            Parsers(each, tokenizer)
        except ConfigError as error:
            refused[each] = str(error).partition(". Tool parsers: ")[0]
    lacking = {
        (each.tool or each.reasoning) for each, why in refused.items() if "registered" in why or "requires" in why
    }
    assert lacking <= {"cohere_command3", "cohere_command4", "hf", "beam"}
    assert len(refused) < len(names) / 2


def parsers_of(transcript):
    """As model.json names them."""
    return {key: value for key, value in zip(("tool_parser", "reasoning_parser"), transcript[:2], strict=True) if value}


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("name", TRANSCRIPTS)
def test_records_carry_what_was_parsed(start, name, stream):
    """Through execute, the replay engine and the outbox: deltas with `extra`, one end, and the tokens all counted."""
    transcript = TRANSCRIPTS[name]
    options = parsers_of(transcript)
    backend = start({"text": transcript.generated}, vllm_custom=options)
    tools = {"tools": TOOLS} if transcript.tool else {}
    records = backend.generate(stream=stream, **tools).finish()
    deltas = [record for record in records if record[1] == "delta"]
    extra = joined([record[5] for record in deltas if record[5]]) or {}
    assert "".join(record[3] for record in deltas).strip() == transcript.content.strip()
    assert extra.get("reasoning", "").strip() == transcript.thought
    calls = [(call["name"], json.loads(call["arguments"])) for call in extra.get("tool_calls", [])]
    assert calls == transcript.calls
    assert records[-1][3] == ("tool_calls" if transcript.calls else "stop")
    assert records[-1][5]["completion_tokens"] == sum(record[4] for record in deltas)
    assert backend.ask("describe").finish()[0][3]["tool_parser"] == transcript.tool


def test_choices_are_parsed_apart(start):
    """With n choices each has a parser of its own."""
    texts = [TRANSCRIPTS["hermes calls"].generated, "Nothing to call."]
    records = (
        start({"text": texts}, vllm_custom={"tool_parser": "hermes"}).generate(n=2, stream=True, tools=TOOLS).finish()
    )
    ends = {record[2]: record[3] for record in records if record[1] == "end"}
    assert ends == {0: "tool_calls", 1: "stop"}
    assert "".join(record[3] for record in records if record[1] == "delta" and record[2] == 1) == texts[1]


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("name", TRANSCRIPTS)
def test_log_probabilities_are_those_of_the_content(start, name, stream):
    """Nothing of the reasoning, of the markup or of a call."""
    transcript = TRANSCRIPTS[name]
    options = parsers_of(transcript)
    backend = start({"text": transcript.generated, "logprobs": [-0.5]}, vllm_custom=options)
    tools = {"tools": TOOLS} if transcript.tool else {}
    records = backend.generate(stream=stream, logprobs=True, top_logprobs=0, **tools).finish()
    extras = [record[5] for record in records if record[1] == "delta" and record[5]]
    told = [entry[1] for extra in extras for entry in extra.get("logprobs", ())]
    assert "".join(told).strip() == transcript.content.strip()
