"""A Triton model that serves files of the other models in Triton's repositories: see `docs/contract.md`, "Descriptions".

It runs on any Python that the server has, so it needs only the standard library and numpy.
"""

from __future__ import annotations  # the process that completes configurations lacks the types named below

import json
import logging
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import triton_python_backend_utils as pb_utils
from repository_files import ModelFiles, Part, UnknownFile, UnknownModel

CONTRACT = 1
RID = re.compile(r"[A-Za-z0-9_-]{1,64}")
KEYS = {"v", "op", "rid", "model", "files"}

log = logging.getLogger(__name__)


class Refused(Exception):
    """The envelope is invalid."""

    def __init__(self, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.param = param


@dataclass(frozen=True)
class Response:
    """One message to the gateway: a record, and the bytes that it announces. `final` ends the request."""

    record: list[object]
    data: bytes | None = None
    final: bool = True


class TritonPythonModel:
    def initialize(self, args: dict[str, str]) -> None:
        self._repositories = repositories(Path(args["model_repository"]), args["model_name"], os.environ)

    def execute(self, requests: list[pb_utils.InferenceRequest]) -> None:
        for request in requests:
            _send(request.get_response_sender(), answer(self._repositories, _envelope_text(request)))


def repositories(own_folder: Path, name: str, environment: Mapping[str, str]) -> list[Path]:
    """The model repositories of this Triton: those that `MODEL_REPOSITORIES` names, or the one in which this model is.

    From object storage Triton copies each model to a temporary folder with another name. Beside that is no repository, but
    what anybody may have put there.
    """
    named = [Path(part) for part in environment.get("MODEL_REPOSITORIES", "").split(os.pathsep) if part]
    return named or ([own_folder.parent] if own_folder.name == name else [])


def answer(repositories: Sequence[Path], text: bytes) -> Iterator[Response]:
    """The responses to one envelope. In every case the last response is final, and only that one."""
    rid = ""
    try:
        envelope = _parse(text)
        rid = _rid(envelope)
        yield from _describe(repositories, rid, envelope)
    except Refused as error:
        yield _error(rid, "bad_request", error.param, str(error))
    except UnknownModel as error:
        yield _error(rid, "not_found", "model", str(error))
    except UnknownFile as error:
        yield _error(rid, "not_found", "files", str(error))
    except Exception as error:  # a request without its final response would hang forever
        log.exception("a request failed")
        yield _error(rid, "internal", None, f"{type(error).__name__}: {error}")


def _describe(repositories: Sequence[Path], rid: str, envelope: dict[str, Any]) -> Iterator[Response]:
    model = _check(envelope)
    files = ModelFiles(repositories, model)
    for part in files.parts(envelope.get("files", [])):
        yield _part(rid, part)
    description = {"backend": "assets", "contract": [CONTRACT], "model": model, "files": files.description()}
    yield Response([rid, "result", None, description])


def _check(envelope: dict[str, Any]) -> str:
    """The name of the requested model. Raises Refused."""
    version: object = envelope.get("v")
    if isinstance(version, bool) or version != CONTRACT:  # JSON's true equals 1 in Python
        raise Refused(f"this side speaks version {CONTRACT} of the contract", "v")
    if envelope.get("op") != "describe":
        raise Refused("the only operation here is describe", "op")
    if unknown := sorted(set(envelope) - KEYS):
        raise Refused(f"unknown key {unknown[0]!r}", unknown[0])
    model: object = envelope.get("model")
    if not isinstance(model, str):
        raise Refused("model must name a model of this repository", "model")
    files: object = envelope.get("files", [])
    if not isinstance(files, list) or not all(isinstance(name, str) for name in cast("list[object]", files)):
        raise Refused("files must be a list of names", "files")
    return model


def _parse(text: bytes) -> dict[str, Any]:
    try:
        envelope = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Refused(f"the envelope is not JSON: {error}") from error
    if not isinstance(envelope, dict):
        raise Refused("the envelope is not a JSON object")
    return cast("dict[str, Any]", envelope)


def _rid(envelope: dict[str, Any]) -> str:
    rid = envelope.get("rid")
    if not isinstance(rid, str) or not RID.fullmatch(rid):
        raise Refused("rid must be 1 to 64 characters of A-Z, a-z, 0-9, _ and -", "rid")
    return rid


def _part(rid: str, part: Part) -> Response:
    return Response([rid, "part", None, part.name, part.offset, len(part.data)], part.data, final=False)


def _error(rid: str, kind: str, param: str | None, message: str) -> Response:
    return Response([rid, "error", None, kind, None, param, message])


def _send(sender: pb_utils.ResponseSender, responses: Iterator[Response]) -> None:
    for response in responses:
        if not response.final and sender.is_cancelled():
            response = _error(str(response.record[0]), "cancelled", None, "the client has gone")
        flags = pb_utils.TRITONSERVER_RESPONSE_COMPLETE_FINAL if response.final else 0
        sender.send(_to_triton(response), flags=flags)
        if response.final:
            return


def _envelope_text(request: pb_utils.InferenceRequest) -> bytes:
    tensor = pb_utils.get_input_tensor_by_name(request, "request")
    return b"" if tensor is None else bytes(tensor.as_numpy().reshape(-1)[0])


def _to_triton(response: Response) -> pb_utils.InferenceResponse:
    records = json.dumps([response.record], ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    tensors = [_bytes_tensor("records", records)]
    if response.data is not None:
        tensors.append(_bytes_tensor("part", response.data))
    return pb_utils.InferenceResponse(output_tensors=tensors)


def _bytes_tensor(name: str, value: bytes) -> pb_utils.Tensor:
    # Object instead of numpy's own bytes type, which drops zero bytes from the end.
    array = np.empty(1, dtype=np.object_)
    array[0] = value
    return pb_utils.Tensor(name, array)
