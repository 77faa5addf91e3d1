"""One structured-output backend for good."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from vllm_custom.engine import structured_backend
from vllm_custom.engine.structured_backend import choose_backend


def chosen(monkeypatch, written=None, *, backend="auto", runner="generate", mistral=False):
    monkeypatch.setattr(structured_backend, "_has_mistral_tokens", lambda model_config: mistral)
    whitespace = (written or {}).get("disable_any_whitespace", False)
    config = SimpleNamespace(backend=backend, disable_any_whitespace=whitespace)
    model_config = SimpleNamespace(runner_type=runner)
    choose_backend(SimpleNamespace(structured_outputs_config=config, model_config=model_config), written)
    return config.backend, config.disable_any_whitespace


def test_xgrammar_without_white_space_unless_told_otherwise(monkeypatch):
    """vLLM's own default lets each request choose, and the engine keeps the choice of the first."""
    assert chosen(monkeypatch) == ("xgrammar", True)
    assert chosen(monkeypatch, {"backend": "auto"}) == ("xgrammar", True)


def test_mistrals_own_tokens_have_guidance(monkeypatch):
    """vLLM writes the grammars of their tool calls for it."""
    assert chosen(monkeypatch, mistral=True) == ("guidance", True)


@pytest.mark.parametrize(
    ("backend", "compact"), [("guidance", True), ("outlines", False), ("lm-format-enforcer", False)]
)
def test_operator_chooses_another(monkeypatch, backend, compact):
    """Only two can leave out white space."""
    assert chosen(monkeypatch, {"backend": backend}, backend=backend) == (backend, compact)


def test_operator_may_allow_white_space(monkeypatch):
    assert chosen(monkeypatch, {"disable_any_whitespace": False}) == ("xgrammar", False)


def test_model_that_does_not_generate_is_left_alone(monkeypatch):
    assert chosen(monkeypatch, runner="pooling") == ("auto", False)
