"""Reads the official backend's inputs (pure)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from numpy.typing import NDArray

from ..contract.generate import Generate
from ..contract.pooling import Pool
from ..errors import BadRequest
from . import tensors
from .json_object import read_object
from .sampling import decode, take_lora

Inputs = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a client wants to see of the answer besides its text. `prompt` is put before the text."""

    finish_reason: bool = False
    cumulative_logprob: bool = False
    logprobs: bool = False
    num_input_tokens: bool = False
    num_output_tokens: bool = False
    prompt: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OfficialGenerate(Generate):
    """A prompt with the engine's own sampling parameters, as written, in `body`; `api` has no meaning here.

    `images` are files as their bytes, `lora` the name of an adapter.
    """

    stream: bool
    images: Sequence[bytes]
    lora: str | None
    wanted: Wanted


@dataclass(frozen=True, slots=True)
class OfficialEmbed:
    """One text or one row of token ids to be embedded; exactly one of the two is given."""

    rid: str
    prompt: str | None
    token_ids: Sequence[int] | None
    dimensions: int | None
    wanted: Wanted

    def as_pool(self) -> Pool:
        """As the engine takes it: an `embed` of one input."""
        inputs = [self.prompt or ""] if self.token_ids is None else [list(self.token_ids)]
        return Pool(self.rid, "embed", inputs, None, self.dimensions, None, None)


def parse(inputs: Inputs, parameters: str, rid: str) -> OfficialGenerate | OfficialEmbed:
    """The request's value. `parameters` are the request's own, which count where no tensor has any. Raises BadRequest."""
    if tensors.EMBEDDING_REQUEST in inputs:
        return _embed(inputs, rid)
    prompt = _text(inputs, tensors.TEXT_INPUT)
    if prompt is None:
        raise BadRequest(
            "the input tensor 'text_input' is missing (and so is 'request', which native requests have)",
            param=tensors.TEXT_INPUT,
        )
    stream = _flag(inputs, tensors.STREAM)
    prepend = not _flag(inputs, tensors.EXCLUDE_INPUT, default=stream)
    if prepend and stream:
        raise BadRequest(
            "When streaming, `exclude_input_in_output` = False is not allowed.", param=tensors.EXCLUDE_INPUT
        )
    written = _text(inputs, tensors.SAMPLING_PARAMETERS)
    body = decode(parameters if written is None else written)
    lora = take_lora(body)
    wanted = _wanted(inputs, prompt if prepend else "")
    return OfficialGenerate(
        rid=rid,
        api="completions",
        body=body,
        prompt=prompt,
        token_ids=None,
        stream=stream,
        images=_images(inputs),
        lora=lora,
        wanted=wanted,
    )


def _embed(inputs: Inputs, rid: str) -> OfficialEmbed:
    name = tensors.EMBEDDING_REQUEST
    document = read_object(_text(inputs, name) or "", name)
    prompt = document.get("input")
    dimensions = _dimensions(document)
    if isinstance(prompt, str):
        return OfficialEmbed(rid, prompt, None, dimensions, _wanted(inputs, ""))
    ids = cast("list[Any]", prompt)
    if not isinstance(prompt, list) or not ids or any(type(token) is not int or token < 0 for token in ids):
        raise BadRequest("embedding_request.input must be a text or one list of token ids", param="input")
    return OfficialEmbed(rid, None, cast("list[int]", ids), dimensions, _wanted(inputs, ""))


def _dimensions(document: Mapping[str, Any]) -> int | None:
    """A number, or a list of one: NVIDIA's front end makes that of its own request parameter."""
    params: Any = document.get("pooling_params") or {}
    if not isinstance(params, dict):
        raise BadRequest("embedding_request.pooling_params must be an object", param="pooling_params")
    value: Any = cast("dict[str, Any]", params).get("dimensions")
    if value is None:
        return None
    if isinstance(value, list):
        value = next(iter(cast("list[Any]", value)), None)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise BadRequest("pooling_params.dimensions must be a whole number of at least 1", param="dimensions")
    return value


def _wanted(inputs: Inputs, prompt: str) -> Wanted:
    return Wanted(
        finish_reason=_flag(inputs, tensors.RETURN_FINISH_REASON),
        cumulative_logprob=_flag(inputs, tensors.RETURN_CUMULATIVE_LOGPROB),
        logprobs=_flag(inputs, tensors.RETURN_LOGPROBS),
        num_input_tokens=_flag(inputs, tensors.RETURN_NUM_INPUT_TOKENS),
        num_output_tokens=_flag(inputs, tensors.RETURN_NUM_OUTPUT_TOKENS),
        prompt=prompt,
    )


def _text(inputs: Inputs, name: str) -> str | None:
    if name not in inputs:
        return None
    row = inputs[name]
    if len(row) != 1:
        raise BadRequest(f"the input tensor {name!r} must hold one element, not {len(row)}", param=name)
    value = row[0]
    try:
        return value.decode() if isinstance(value, bytes) else str(value)
    except UnicodeDecodeError as error:
        raise BadRequest(f"{name} is not UTF-8: {error}", param=name) from error


def _flag(inputs: Inputs, name: str, *, default: bool = False) -> bool:
    if name not in inputs:
        return default
    if len(inputs[name]) != 1:
        raise BadRequest(f"the input tensor {name!r} must hold one element, not {len(inputs[name])}", param=name)
    return bool(inputs[name][0])


def _images(inputs: Inputs) -> tuple[bytes, ...]:
    try:
        return tuple(base64.b64decode(image) for image in inputs.get(tensors.IMAGE, ()))
    except (binascii.Error, ValueError) as error:
        raise BadRequest(f"image is not base64: {error}", param=tensors.IMAGE) from error
