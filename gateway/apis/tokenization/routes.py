"""Tokens, where vLLM has them and under `/v1`, where some look for them."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from gateway.apis.tokenization.schema import DetokenizeRequest, DetokenizeResponse, TokenizeRequest, TokenizeResponse
from gateway.core import ServicesOf
from gateway.web.json_answer import ERRORS, json_answer
from gateway.web.json_route import JsonRoute

router = APIRouter(
    route_class=JsonRoute,
    responses=ERRORS,
)


@router.post("/v1/tokenize", response_model=None, responses={200: {"model": TokenizeResponse}})
@router.post("/tokenize", response_model=None, responses={200: {"model": TokenizeResponse}})
async def tokenize(request: TokenizeRequest, http_request: Request, services: ServicesOf) -> Response:
    """The tokens that a model would be given for a prompt or a conversation."""
    return await json_answer(http_request, services.tokenization.tokenize(request))


@router.post("/v1/detokenize", response_model=None, responses={200: {"model": DetokenizeResponse}})
@router.post("/detokenize", response_model=None, responses={200: {"model": DetokenizeResponse}})
async def detokenize(request: DetokenizeRequest, http_request: Request, services: ServicesOf) -> Response:
    """The text of tokens."""
    return await json_answer(http_request, services.tokenization.detokenize(request))
