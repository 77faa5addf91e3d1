"""The differences between the versions of vLLM that the backend is for, 0.25 to 0.33.

Each difference is a function here, whose docstring says what older versions lack. For a new version this file is to be
changed; tests/vllm_env/test_versions.py reports where, and `make versions` runs it with each of them.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest
    from vllm.entrypoints.openai.completion.protocol import CompletionRequest
    from vllm.parser import Parser
    from vllm.tokenizers import TokenizerLike


def get_parser_class(tokenizer: TokenizerLike, **named: Any) -> type[Parser] | None:
    """The parser class of these names; older versions do not check at once that the tokenizer suits it."""
    from vllm.parser import ParserManager

    if "tokenizer" in inspect.signature(ParserManager.get_parser).parameters:
        return ParserManager.get_parser(tokenizer=tokenizer, **named)
    parser_class = ParserManager.get_parser(**named)
    if parser_class is not None:
        _check_tokenizer(parser_class, tokenizer)
    return parser_class


def always_adjusts(parser_class: type[Parser]) -> bool:
    """Whether the parser has to see every request, also one without tools; older ones never have to."""
    return getattr(parser_class, "always_adjust_request", False)


def set_prompt(parser: Parser, prompt_token_ids: Sequence[int]) -> None:
    """Give the parser of a whole answer the prompt; older ones do not take it."""
    if hasattr(parser, "set_prompt_token_ids"):
        parser.set_prompt_token_ids(prompt_token_ids)


def reasoning_ended(request: ChatCompletionRequest, parser: Parser, prompt_token_ids: list[int]) -> bool | None:
    """Whether structured outputs begin with the first token; in older versions the server decides, by the same rules."""
    if hasattr(request, "resolve_reasoning_ended"):
        return request.resolve_reasoning_ended(parser, prompt_token_ids)
    if not request.include_reasoning or getattr(request, "_grammar_from_tool_parser", False):
        return True
    return None if parser.reasoning_parser is None else is_reasoning_end(parser, prompt_token_ids)


def reasoning_tokens(parser: Parser, token_ids: Sequence[int]) -> int | None:
    """How many of a choice's tokens are reasoning; None without a reasoning parser. In older versions only the part of the
    parser that is for reasoning can count them."""
    if parser.reasoning_parser is None:
        return None
    counter: Any = parser if hasattr(parser, "count_reasoning_tokens") else parser.reasoning_parser
    return counter.count_reasoning_tokens(token_ids)


def make_tool_call_id() -> str:
    """An id as vLLM makes them; the function has moved."""
    try:
        from vllm.renderers import chat_utils
    except ImportError:
        from vllm.entrypoints import chat_utils
    return chat_utils.make_tool_call_id()


def asks_for_token_logprobs(request: ChatCompletionRequest | CompletionRequest) -> bool:
    """Whether it names the tokens whose log probabilities it wants, which older versions can't give."""
    return bool(getattr(request, "logprob_token_ids", None)) and bool(request.logprobs)


def can_limit_queue(scheduler_config: object) -> bool:
    """Whether the engine refuses requests that would wait too long; older ones let all of them wait."""
    return hasattr(scheduler_config, "max_num_queued_reqs")


def _check_tokenizer(parser_class: type[Parser], tokenizer: TokenizerLike) -> None:
    try:
        parser_class(tokenizer)
    except Exception as error:
        raise TypeError(f"the parser cannot be used with this model's tokenizer: {error}") from error


def is_reasoning_end(parser: Any, token_ids: list[int]) -> bool:
    """Whether a thought has been closed by these tokens, as far as the reasoning parser can tell."""
    return bool(parser.is_reasoning_end(token_ids))
