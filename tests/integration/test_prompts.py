"""The gateway's prompts beside those of transformers, which is in vLLM's environment."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from pathlib import Path
from random import Random

from tokenizers import Tokenizer as Library

from gateway.models.generating import read_template
from gateway.prompting.conversation import Conversation
from gateway.prompting.segment_cache import SegmentCache
from gateway.prompting.template import ChatTemplate
from gateway.prompting.tokenizer import Tokenizer
from tests.cases.conversations import conversation
from tests.fakes.tokenizer_kinds import KINDS, TEMPLATE
from tests.integration.conftest import ROOT

CONVERSATIONS = 200
SMOLLM2 = ROOT / ".cache/models/smollm2-135m-instruct"

PROGRAM = """
import json, sys
from transformers import PreTrainedTokenizerFast

for case in json.load(sys.stdin):
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=case["file"], chat_template=case["template"])
    options = {"add_generation_prompt": True, "tokenize": False}
    prompts = [tokenizer.apply_chat_template(messages, **options) for messages in case["conversations"]]
    print(json.dumps([tokenizer.encode(prompt, add_special_tokens=False) for prompt in prompts]))
"""


async def _ours(file: bytes, template: str, conversations: list[list[dict[str, str]]]) -> list[list[int]]:
    tokenizer = Tokenizer(file, segments=SegmentCache(4_000_000))
    made = read_template({"chat_template.jinja": template.encode()}, tokenizer.added_tokens)
    assert isinstance(made, ChatTemplate)
    return [(await tokenizer.encode_prompt(made.render(Conversation(each)))).tolist() for each in conversations]


def test_honest_prompts_are_those_of_transformers(tmp_path: Path) -> None:
    """Of its `apply_chat_template` and `encode`: SmolLM2's, and those of every kind of tokeniser."""
    random = Random(16)
    conversations = [conversation(random) for _ in range(CONVERSATIONS)]
    cases = {"SmolLM2": ((SMOLLM2 / "tokenizer.json").read_bytes(), (SMOLLM2 / "chat_template.jinja").read_text())}
    cases |= {name: (make().to_str().encode(), TEMPLATE) for name, make in KINDS.items()}
    asked = []
    for name, (content, template) in cases.items():
        whole = Library.from_buffer(content)
        whole.no_truncation()
        whole.no_padding()
        whole.save(str(tmp_path / f"{name}.json"))
        asked.append({"file": str(tmp_path / f"{name}.json"), "template": template, "conversations": conversations})
    done = subprocess.run(
        [ROOT / ".cache/envs/vllm_custom/bin/python", "-c", PROGRAM],
        input=json.dumps(asked).encode(),
        capture_output=True,
        check=True,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error"},
    )
    theirs = map(json.loads, done.stdout.splitlines())
    for (name, (content, template)), expected in zip(cases.items(), theirs, strict=True):
        assert asyncio.run(_ours(content, template, conversations)) == expected, name
