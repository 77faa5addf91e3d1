"""Which of vLLM's structured-output backends an engine has: one, for good.

By default vLLM chooses one for each request, but its engine keeps the one of its first request for all others, and fails
those that were meant for another. xgrammar is the one that makes grammars of tool calls. For Mistral's own tokens vLLM
writes grammars in llguidance's words, tool calls among them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vllm.config import ModelConfig, VllmConfig

# Those that can leave out white space.
_COMPACT = ("xgrammar", "guidance")


def choose_backend(vllm_config: VllmConfig, written: Any) -> None:
    """Settle what vLLM would decide by request. `written` is what model.json says about it, and wins."""
    if vllm_config.model_config.runner_type == "pooling":
        return
    structured = vllm_config.structured_outputs_config
    if structured.backend == "auto":
        structured.backend = "guidance" if _has_mistral_tokens(vllm_config.model_config) else "xgrammar"
    is_written = isinstance(written, Mapping) and "disable_any_whitespace" in written
    if not is_written and structured.backend in _COMPACT:
        # A model may go on with white space until its tokens are used up; JSON needs none.
        structured.disable_any_whitespace = True


def _has_mistral_tokens(model_config: ModelConfig) -> bool:
    from vllm.tokenizers import cached_tokenizer_from_config
    from vllm.utils.mistral import is_mistral_tokenizer

    tokenizer: Any = cached_tokenizer_from_config(model_config)
    # Of the older ones, without a tekken file, llguidance knows nothing.
    return is_mistral_tokenizer(tokenizer) and tokenizer.is_tekken
