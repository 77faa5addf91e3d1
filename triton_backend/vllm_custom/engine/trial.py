"""Tries whether xgrammar can make a grammar of a constraint, before the engine has to.

The engine's own compilation is for its whole vocabulary, and where it fails it costs the request, or in older versions of
vLLM the engine. Here the vocabulary is that of single bytes: the same grammars fail, in a thousandth of the time.
"""

from __future__ import annotations

import importlib
import json
import re
from typing import TYPE_CHECKING, Any

from .schemas.patterns import keeps_json, looks_around

if TYPE_CHECKING:
    from vllm.sampling_params import SamplingParams

# Where in its source xgrammar has failed, and what it had checked there.
_PLACE = re.compile(r"^.*?\.cc:\d+: (Check failed: \(.*?\) is false: )?", re.DOTALL)
_END = 256


class Unusable(ValueError):
    """No grammar can be made of it, or none that any text follows; the message says why."""


class Trial:
    """Made when an engine starts, because its imports take their time. May be used from any thread."""

    def __init__(self) -> None:
        from vllm.v1.structured_output.backend_xgrammar import validate_xgrammar_grammar
        from vllm.v1.structured_output.utils import compile_regex_with_timeout, grammar_is_likely_lark

        self._xgrammar: Any = importlib.import_module("xgrammar")
        self._validate = validate_xgrammar_grammar
        self._with_timeout = compile_regex_with_timeout
        self._is_lark = grammar_is_likely_lark
        vocabulary = [bytes([each]) for each in range(_END)] + [b"</s>"]
        bytes_only = self._xgrammar.TokenizerInfo(
            vocabulary,
            vocab_type=self._xgrammar.VocabType.RAW,
            vocab_size=len(vocabulary),
            stop_token_ids=[_END],
        )
        self._compiler: Any = self._xgrammar.GrammarCompiler(bytes_only, max_threads=1, cache_enabled=False)

    def is_pattern(self, pattern: str) -> bool:
        """Whether a string in JSON can be held to this regular expression."""
        if looks_around(pattern) or not keeps_json(pattern):
            return False
        try:
            self._with_timeout(self._xgrammar.Grammar.from_regex, pattern)
        except Exception:  # noqa: BLE001  xgrammar's own errors have no common class
            return False
        return True

    def check_schema(self, schema: Any) -> None:
        """Raises Unusable."""
        self._check(lambda: self._compiler.compile_json_schema(json.dumps(schema), any_whitespace=False))

    def check(self, params: SamplingParams) -> None:
        """The constraint of these parameters, but for schemas; a choice becomes a grammar. Raises Unusable."""
        constraint = params.structured_outputs
        if constraint is None or constraint.json is not None:
            return
        regex = constraint.regex
        if regex is not None and looks_around(regex):
            raise Unusable("the regular expression looks around itself ((?=…), (?!…), (?<…)), which no grammar can")
        try:
            self._validate(params)
        except Exception as error:
            raise Unusable(_reason(error.__cause__ or error)) from error
        if regex is not None:
            self._check(lambda: self._with_timeout(self._compiler.compile_regex, regex))
        elif (grammar := constraint.grammar) is not None:
            compile_ = self._compiler.compile_lark if self._is_lark(grammar) else self._compiler.compile_grammar
            self._check(lambda: compile_(grammar))

    def _check(self, compile_: Any) -> None:
        try:
            matcher = self._xgrammar.GrammarMatcher(compile_())
        except Exception as error:
            raise Unusable(_reason(error)) from error
        mask = self._xgrammar.allocate_token_bitmask(1, _END + 1)
        # True where the mask leaves something out. What leaves nothing out allows everything.
        if matcher.fill_next_token_bitmask(mask) and not mask.any():
            raise Unusable("no text satisfies it")


def _reason(error: BaseException) -> str:
    """xgrammar's words, without where it says them."""
    text = " ".join(str(error).split())
    return _PLACE.sub("", text)[:400] or type(error).__name__
