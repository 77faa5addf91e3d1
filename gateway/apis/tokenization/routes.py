"""`/tokenize` and `/detokenize`, where vLLM has them and under `/v1`, where some look for them."""

from __future__ import annotations

from fastapi import Request, Response

from gateway.apis.tokenization import service
from gateway.apis.tokenization.schema import DetokenizeRequest, DetokenizeResponse, TokenizeRequest, TokenizeResponse
from gateway.web import documented
from gateway.web.api import Api, json_router
from gateway.web.core import CoreOf
from gateway.web.json_answer import json_answer

router = json_router()
TOKENIZATION = Api(router)


@router.post("/v1/tokenize", response_model=None, responses=documented.answer(TokenizeResponse))
@router.post("/tokenize", response_model=None, responses=documented.answer(TokenizeResponse))
async def tokenize(request: TokenizeRequest, http_request: Request, core: CoreOf) -> Response:
    """The tokens that a model would be given for a prompt or a conversation."""
    return await json_answer(http_request, service.tokenize(core, request))


@router.post("/v1/detokenize", response_model=None, responses=documented.answer(DetokenizeResponse))
@router.post("/detokenize", response_model=None, responses=documented.answer(DetokenizeResponse))
async def detokenize(request: DetokenizeRequest, http_request: Request, core: CoreOf) -> Response:
    """The text of tokens."""
    return await json_answer(http_request, service.detokenize(core, request))
