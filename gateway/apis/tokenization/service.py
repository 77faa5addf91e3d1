"""The tokenisation use case: a prompt or a conversation to the tokens that a model would be given, and back."""

from __future__ import annotations

from gateway.apis.tokenization.schema import DetokenizeRequest, DetokenizeResponse, TokenizeRequest, TokenizeResponse
from gateway.core import Core
from gateway.errors import BadRequest
from gateway.models.served import ServedModel
from gateway.prompting.inputs import token_ids
from gateway.prompting.prompt import Prompt
from gateway.prompting.tokenizer import Tokenizer
from gateway.prompting.turn import Prompting


async def tokenize(core: Core, request: TokenizeRequest) -> TokenizeResponse:
    """The tokens that a chat or completion with the same fields would have. Raises GatewayError."""
    model = core.catalog.find(request.model)
    tokenizer = _tokenizer(model)
    adds = request.messages is None if request.add_special_tokens is None else request.add_special_tokens
    with await core.admission.acquire():
        if request.prompt is None:
            prompt = _prompt(request, model, core.prompting)
            tokens = (await tokenizer.encode_prompt(prompt, add_special_tokens=adds)).tolist()
        else:
            [tokens] = await tokenizer.encode([request.prompt], add_special_tokens=adds)
        strs = await tokenizer.pieces(tokens) if request.return_token_strs else None
    return TokenizeResponse(count=len(tokens), max_model_len=model.max_model_len, tokens=tokens, token_strs=strs)


async def detokenize(core: Core, request: DetokenizeRequest) -> DetokenizeResponse:
    """The text of the tokens, special ones too. Raises GatewayError."""
    tokenizer = _tokenizer(core.catalog.find(request.model))
    if not request.tokens:
        return DetokenizeResponse(prompt="")
    [tokens] = await token_ids(tokenizer, [request.tokens], param="tokens")
    with await core.admission.acquire():
        return DetokenizeResponse(prompt=await tokenizer.text(tokens))


def _prompt(request: TokenizeRequest, model: ServedModel, prompting: Prompting) -> Prompt:
    """What the template makes of the messages. Raises BadRequest."""
    template = model.known_template
    if template is None:
        raise _unknown_here(f"What `{model.name}` makes of 'messages' is not known here; give a 'prompt'.")
    conversation = request.conversation()
    if conversation.images:
        raise _unknown_here(f"What `{model.name}` makes of images is not known here.")
    prompting.check_arguments(conversation)
    return template.render(conversation, reads_controls=prompting.reads_controls)


def _tokenizer(model: ServedModel) -> Tokenizer:
    if model.known_tokenizer is None:
        raise _unknown_here(f"The tokeniser of `{model.name}` is known to its backend alone.")
    return model.known_tokenizer


def _unknown_here(message: str) -> BadRequest:
    return BadRequest(message, param="messages", code="unsupported_value")
