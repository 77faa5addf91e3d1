"""Files of a model by `describe`: from the model itself, or from the `assets` model for those that can't."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from gateway.errors import InternalError
from gateway.triton import status
from gateway.triton.client import TritonClient
from gateway.triton.llm import new_rid
from gateway.triton.protocol import decode_bytes
from gateway.triton.records import read_records, to_error
from gateway.triton.tensors import PART, envelope_request, output_bytes

MAX_FILE_BYTES = 64 * 1024 * 1024
STALL_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class FileEntry:
    """A file that a model offers. `sha256` is of the whole, in hexadecimal."""

    name: str
    size: int
    sha256: str


class Describer:
    """Asks one model to describe itself (`about` None), or `assets` about another model."""

    def __init__(self, client: TritonClient, asked: str, about: str | None = None) -> None:
        self._client = client
        self._asked = asked
        self._about = {} if about is None else {"model": about}

    async def describe(self) -> dict[str, Any]:
        """The `result` of `describe`. Raises GatewayError."""
        result, _ = await self._ask({})
        return result

    async def read(self, files: Sequence[FileEntry]) -> dict[str, bytes]:
        """The contents by name, checked against their digests. Raises GatewayError."""
        if any(file.size > MAX_FILE_BYTES for file in files):
            raise InternalError
        _, parts = await self._ask({"files": [file.name for file in files]})
        contents = {file.name: b"".join(parts.get(file.name, ())) for file in files}
        if any(hashlib.sha256(contents[file.name]).hexdigest() != file.sha256 for file in files):
            raise InternalError
        return contents

    async def _ask(self, more: dict[str, Any]) -> tuple[dict[str, Any], dict[str, list[bytes]]]:
        envelope = {"op": "describe", "rid": new_rid(), **self._about, **more}
        parts: dict[str, list[bytes]] = {}
        request = envelope_request(self._asked, envelope)
        async with aclosing(self._client.stream(request, stall_timeout_s=STALL_TIMEOUT_S)) as responses:
            async for response in responses:
                for record in read_records(response):
                    if record[1] == "error":
                        raise to_error(record)
                    if record[1] == "part":
                        raw = output_bytes(response, PART)
                        parts.setdefault(record[3], []).append(decode_bytes(raw or b""))
                    if record[1] == "result":
                        return record[3], parts
        raise status.unavailable()


def file_entries(description: dict[str, Any]) -> dict[str, FileEntry]:
    """The files of a description, by name. Raises InternalError when it has another shape."""
    try:
        entries = [FileEntry(file["name"], int(file["size"]), file["sha256"]) for file in description["files"]]
    except (KeyError, TypeError, ValueError) as error:
        raise InternalError from error
    return {entry.name: entry for entry in entries}
