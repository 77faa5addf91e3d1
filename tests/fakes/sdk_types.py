"""Every body and chunk that a test gets to see, judged by the official SDK's own types, strictly."""

from __future__ import annotations

from typing import Any

import httpx
import orjson
from openai.types import Completion, CreateEmbeddingResponse, Model, ModerationCreateResponse
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from pydantic import BaseModel

_TYPES: dict[str, type[BaseModel]] = {
    "chat.completion": ChatCompletion,
    "chat.completion.chunk": ChatCompletionChunk,
    "text_completion": Completion,
    "model": Model,
}


def check(body: Any) -> None:
    """A whole body or a chunk; what is none of OpenAI's is let pass."""
    if not isinstance(body, dict):
        return
    if "error" in body:
        assert set(body) == {"error"}
        assert set(body["error"]) == {"message", "type", "param", "code"}
        assert all(value is None or isinstance(value, str) for value in body["error"].values())
    elif (sdk_type := _type_of(body)) is not None:
        sdk_type.model_validate_json(orjson.dumps(_as_the_sdk_has_it(body)), strict=True)


def check_response(response: httpx.Response) -> None:
    """A hook of httpx's. Streams are checked when they are read: see `openai.chunks`."""
    is_json = response.headers.get("content-type") == "application/json" and response.request.method != "HEAD"
    if is_json and response.request.url.path.startswith("/v1/"):
        check(orjson.loads(response.read()))


def _type_of(body: dict[str, Any]) -> type[BaseModel] | None:
    if body.get("object") in _TYPES:
        return _TYPES[body["object"]]
    if str(body.get("id", "")).startswith("modr-"):
        return ModerationCreateResponse
    data = body.get("data")
    is_floats = bool(data) and isinstance(data[0].get("embedding"), list)
    return CreateEmbeddingResponse if is_floats else None  # base64 is asked for, and known to no type


def _as_the_sdk_has_it(body: dict[str, Any]) -> dict[str, Any]:
    """Its type of a completion forgets two nulls of OpenAI's API: no reason before the end of a stream, and no
    log-probability of a prompt's first token."""
    if body.get("object") != "text_completion":
        return body
    return {**body, "choices": [_filled(choice) for choice in body["choices"]]}


def _filled(choice: dict[str, Any]) -> dict[str, Any]:
    logprobs = choice["logprobs"]
    if logprobs is not None:
        logprobs = {
            **logprobs,
            "token_logprobs": [0.0 if value is None else value for value in logprobs["token_logprobs"]],
            "top_logprobs": [value or {} for value in logprobs["top_logprobs"]],
        }
    return {**choice, "finish_reason": choice["finish_reason"] or "stop", "logprobs": logprobs}
