"""Twin of gateway/cli/hub/refusals.py."""

from collections.abc import Mapping
from typing import Any

import pytest

from gateway.cli.errors import Problem
from gateway.cli.hub.listing import Listing
from gateway.cli.hub.refusals import refuse, warnings
from gateway.cli.hub.selection import select
from tests.gateway.cli.hub.models import DEEPSEEK_V2_LITE, QWEN3_06B, SMALL, listing

KNOWN = frozenset({"Qwen3ForCausalLM", "DeepseekV2ForCausalLM"})
CODE = {"AutoModelForCausalLM": "modeling.Model"}


def refused(model: Listing, known: frozenset[str] | None = KNOWN) -> Problem:
    with pytest.raises(Problem) as caught:
        refuse(model, select(model), known)
    return caught.value


def accept(model: Listing, known: frozenset[str] | None = KNOWN) -> list[str]:
    refuse(model, select(model), known)
    return list(warnings(model, known))


def test_plain_model_is_served_without_a_word():
    """Whether or not it is known what vLLM has."""
    assert accept(listing()) == []
    assert accept(listing(), None) == []


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({**SMALL, "pytorch_model.bin": 1}, "only pickled weights (.bin)"),
        ({"model-Q4_K_M.gguf": 1}, "only GGUF files"),
        ({**SMALL}, "no weights"),
        ({"consolidated.safetensors": 1, "params.json": 1}, "no weights"),
        ({"weights.safetensors": 1, "params.json": 1}, "only Mistral's own format"),
        ({"adapter_config.json": 1, "adapter_model.safetensors": 1}, "is a LoRA adapter"),
    ],
)
def test_format_that_cannot_be_served_is_named(files: dict[str, int], said: str):
    """With what to take instead."""
    problem = refused(listing({}, files=files))
    assert said in problem.what
    assert problem.fix


@pytest.mark.parametrize("known", [KNOWN, None, frozenset[str]()])
def test_code_of_a_model_is_never_run(known: frozenset[str] | None):
    """Not of an architecture that vLLM does not have, and not where that is not known."""
    problem = refused(listing({**QWEN3_06B, "architectures": ["NewForCausalLM"], "auto_map": CODE}), known)
    assert "auto_map" in problem.what
    assert "all rights of the server" in problem.what


def test_code_is_not_needed_where_vllm_has_its_own():
    """Then its user is only told."""
    (line,) = accept(listing(DEEPSEEK_V2_LITE))
    assert "is not run" in line


@pytest.mark.parametrize(("files", "is_refused"), [({}, True), ({"tokenizer.json": 1}, False)])
def test_code_of_a_tokenizer_is_never_run(files: Mapping[str, int], is_refused: bool):
    """Without tokenizer.json nothing else could read it."""
    given: dict[str, Any] = {"auto_map": {"AutoTokenizer": ["tokenization.T", None]}, "chat_template": "x"}
    base = {name: size for name, size in SMALL.items() if name != "tokenizer.json"}
    model = listing(files={**base, "model.safetensors": 1, **files}, tokenizer=given)
    if is_refused:
        assert "its tokenizer" in refused(model).what
    else:
        assert "is not run" in accept(model)[0]


def test_user_is_warned_of_what_may_disappoint():
    """An architecture that only transformers has, and a model without a chat template."""
    lines = accept(listing({**QWEN3_06B, "architectures": ["NewForCausalLM"]}, tokenizer={}))
    assert ["transformers' is tried" in line for line in lines] == [True, False]
    assert "no chat template" in lines[1]


@pytest.mark.parametrize("file", ["chat_template.jinja", "chat_template.json", "tekken.json"])
def test_template_may_lie_elsewhere(file: str):
    """In a file of its own, or in the code for Mistral's tokenizers."""
    assert accept(listing(files={**SMALL, "model.safetensors": 1, file: 1}, tokenizer={})) == []
