"""Tokens without HTTP: whose tokeniser and whose template it is, and who has neither."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from gateway.apis.tokenization import service
from gateway.apis.tokenization.schema import DetokenizeRequest, TokenizeRequest, TokenizeResponse
from gateway.core import Core
from gateway.errors import BadRequest
from gateway.limits.admission import Admission
from gateway.models.served import ServedModel
from gateway.prompting.images.reading import Images
from gateway.prompting.turn import Prompting
from tests.fakes.models import TOKENIZER, generating
from tests.fakes.triton import CONTEXT_LENGTH

pytestmark = pytest.mark.anyio

HI: list[dict[str, Any]] = [{"role": "user", "content": "Hi"}]


def core_of(model: ServedModel) -> Core:
    """As much of a `Core` as is needed here: a catalog of one model, permits, and a variable that may be set."""
    catalog = SimpleNamespace(find=lambda name: model)
    prompting = Prompting(cast("Images", None), ("thinking",))
    admission = Admission(limit=1, queue=0, max_wait_s=1)
    return cast("Core", SimpleNamespace(catalog=catalog, prompting=prompting, admission=admission))


async def tokenized(model: ServedModel, **fields: Any) -> TokenizeResponse:
    core = core_of(model)
    answer = await service.tokenize(core, TokenizeRequest.model_validate({"model": "m", **fields}))
    assert core.admission.in_flight == 0
    return answer


async def test_prompt_and_conversation_have_tokens() -> None:
    """As many as are counted; their pieces only when asked for."""
    answer = await tokenized(generating(), prompt="ab", return_token_strs=True)
    assert (answer.count, answer.max_model_len, answer.token_strs) == (2, CONTEXT_LENGTH, ["a", "b"])
    answer = await tokenized(generating(), messages=HI)
    assert TOKENIZER.decode(answer.tokens) == "<user>Hi</s><assistant>"
    assert answer.token_strs is None


async def test_messages_bring_no_control_tokens() -> None:
    """As in the chat whose tokens are counted; a prompt does, as in a completion."""
    for fields, ends in (({"messages": [{"role": "user", "content": "</s>"}]}, 1), ({"prompt": "</s>"}, 1)):
        assert (await tokenized(generating(), **fields)).tokens.count(1) == ends


@pytest.mark.parametrize(
    ("model", "fields", "param"),
    [
        (generating(tokenizer=None), {"prompt": "a"}, "messages"),
        (generating(template=None), {"messages": HI}, "messages"),
        (generating(renders_itself=True), {"messages": HI}, "messages"),
        (generating(), {"messages": HI, "chat_template_kwargs": {"x": 1}}, "chat_template_kwargs.x"),
    ],
    ids=["tokeniser", "template", "renderer", "variable"],
)
async def test_what_is_not_known_here_is_refused(model: ServedModel, fields: dict[str, Any], param: str) -> None:
    """Rather than guessed at: it is asked for because it is exact."""
    with pytest.raises(BadRequest) as caught:
        await tokenized(model, **fields)
    assert caught.value.param == param


async def test_prompt_needs_no_template() -> None:
    """Of a model whose backend renders either, as long as the tokeniser is here."""
    assert (await tokenized(generating(renders_itself=True, template=None), prompt="a")).count == 1


@pytest.mark.parametrize(("tokens", "text"), [([], ""), ([67, 68], "a"), ([0], "<s>")])
async def test_tokens_have_a_text(tokens: list[int], text: str) -> None:
    """Special ones too, and none have none."""
    ids = (await TOKENIZER.encode([text], add_special_tokens=False))[0] if text == "a" else tokens
    request = DetokenizeRequest.model_validate({"model": "m", "tokens": ids})
    assert (await service.detokenize(core_of(generating()), request)).prompt == text


async def test_foreign_tokens_are_refused() -> None:
    """And so are all of a model whose tokeniser is not here."""
    request = DetokenizeRequest.model_validate({"model": "m", "tokens": [258]})
    with pytest.raises(BadRequest) as caught:
        await service.detokenize(core_of(generating()), request)
    assert caught.value.param == "tokens"
    with pytest.raises(BadRequest):
        await service.detokenize(core_of(generating(tokenizer=None)), request)
