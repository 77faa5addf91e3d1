"""vLLM's parsers over the replay engine's text. This needs the package vLLM, though no engine of it runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..contract.generate import Generate
from ..engine.generation import Generation
from ..engine.parser_names import ParserNames
from ..engine.parsing import ParsedGeneration, Parsers

if TYPE_CHECKING:
    from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest


class ReplayParsers:
    """The parsers that model.json names, for scripted text."""

    def __init__(self, names: ParserNames, folder: Path) -> None:
        """Raises ConfigError as `Parsers`. The folder's tokenizer is loaded once more, as vLLM loads it."""
        from vllm.tokenizers import get_tokenizer

        self._tokenizer = get_tokenizer(str(folder))
        self._parsers = Parsers(names, self._tokenizer)

    def parsed(self, playback: Generation, request: Generate) -> Generation:
        """The playback with reasoning and calls taken out of its text, where the request asks for that."""
        if request.api != "chat":
            return playback
        token_ids = request.token_ids
        if token_ids is None:
            token_ids = self._tokenizer.encode(request.prompt or "")
        reader = self._parsers.reader(_openai(request), token_ids)
        return playback if reader is None else ParsedGeneration(playback, reader)


def _openai(request: Generate) -> ChatCompletionRequest:
    from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest

    prompt = {"messages": [{"role": "user", "content": "-"}]}
    return ChatCompletionRequest.model_validate({**request.body, **prompt, "request_id": request.rid})
