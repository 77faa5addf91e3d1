"""The tokenisation use case: a prompt or a conversation to the tokens that a model would be given, and back."""

from __future__ import annotations

from collections.abc import Collection

from gateway.apis.tokenization.schema import DetokenizeRequest, DetokenizeResponse, TokenizeRequest, TokenizeResponse
from gateway.errors import BadRequest
from gateway.limits.admission import Admission
from gateway.models.catalog import Catalog
from gateway.models.kinds import EmbeddingModel, GeneratingModel, ModerationModel, ServedModel
from gateway.prompting.checks import check_arguments, conversation_of
from gateway.prompting.inputs import token_ids
from gateway.prompting.tokenizer import Tokenizer


class TokenizationService:
    """`/tokenize` and `/detokenize`, of every model whose tokeniser is known here."""

    def __init__(self, catalog: Catalog, admission: Admission, *, template_arguments: Collection[str]) -> None:
        """`template_arguments`: the variables of chat templates that clients may set."""
        self._catalog = catalog
        self._admission = admission
        self._template_arguments = template_arguments

    async def tokenize(self, request: TokenizeRequest) -> TokenizeResponse:
        """The tokens that a chat or completion with the same fields would have. Raises GatewayError."""
        model = self._catalog.find(request.model)
        tokenizer = _tokenizer(model)
        adds = request.messages is None if request.add_special_tokens is None else request.add_special_tokens
        with await self._admission.acquire():
            [tokens] = await tokenizer.encode([self._text(request, model)], add_special_tokens=adds)
            strs = await tokenizer.pieces(tokens) if request.return_token_strs else None
        return TokenizeResponse(count=len(tokens), max_model_len=_longest(model), tokens=tokens, token_strs=strs)

    async def detokenize(self, request: DetokenizeRequest) -> DetokenizeResponse:
        """The text of the tokens, special ones too. Raises GatewayError."""
        tokenizer = _tokenizer(self._catalog.find(request.model))
        if not request.tokens:
            return DetokenizeResponse(prompt="")
        [tokens] = await token_ids(tokenizer, [request.tokens], param="tokens")
        with await self._admission.acquire():
            return DetokenizeResponse(prompt=await tokenizer.text(tokens))

    def _text(self, request: TokenizeRequest, model: ServedModel) -> str:
        """What is to be encoded. Raises BadRequest."""
        if request.prompt is not None:
            return request.prompt
        if not isinstance(model, GeneratingModel) or model.template is None or model.is_rendered_there:
            raise _unknown_here(f"What `{model.name}` makes of 'messages' is not known here; give a 'prompt'.")
        if request.has_images:
            raise _unknown_here(f"What `{model.name}` makes of images is not known here.")
        check_arguments(request, self._template_arguments)
        return model.template.render(conversation_of(request))


def _tokenizer(model: ServedModel) -> Tokenizer:
    if model.tokenizer is None:
        raise _unknown_here(f"The tokeniser of `{model.name}` is known to its backend alone.")
    return model.tokenizer


def _unknown_here(message: str) -> BadRequest:
    return BadRequest(message, param="messages", code="unsupported_value")


def _longest(model: ServedModel) -> int:
    return model.max_tokens if isinstance(model, (EmbeddingModel, ModerationModel)) else model.context_length
