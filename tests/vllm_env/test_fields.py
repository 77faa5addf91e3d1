"""No field of vLLM's own server is missing from docs/compatibility.md, which is made from the gateway's schemas."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "compatibility.md"


def documented(path: str) -> set[str]:
    """The fields of an endpoint."""
    section = PAGE.read_text(encoding="utf-8").partition(f"## `POST {path}`")[2].partition("\n## ")[0]
    return set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE))


@pytest.mark.parametrize(
    ("path", "module", "name"),
    [
        ("/v1/chat/completions", "vllm.entrypoints.openai.chat_completion.protocol", "ChatCompletionRequest"),
        ("/v1/completions", "vllm.entrypoints.openai.completion.protocol", "CompletionRequest"),
        ("/tokenize", "vllm.entrypoints.serve.tokenize.protocol", "TokenizeChatRequest"),
        ("/tokenize", "vllm.entrypoints.serve.tokenize.protocol", "TokenizeCompletionRequest"),
        ("/detokenize", "vllm.entrypoints.serve.tokenize.protocol", "DetokenizeRequest"),
    ],
)
def test_every_field_of_vllm_is_declared(path, module, name):
    """A newer vLLM that knows more fails here until somebody has decided what becomes of it."""
    assert getattr(importlib.import_module(module), name).model_fields.keys() <= documented(path)
