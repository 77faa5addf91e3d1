"""Files of a model by `describe`: from the model itself, or from the `assets` model for those that can't."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Final, cast

from gateway.errors import InternalError
from gateway.ids import new_id
from gateway.triton import status
from gateway.triton.client import TritonClient
from gateway.triton.protocol import decode_bytes
from gateway.triton.records import KIND, read_records, to_error
from gateway.triton.tensors import PART, envelope_request, output_bytes

log = logging.getLogger(__name__)

_SHA256: Final = re.compile(r"[0-9a-f]{64}")

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
            log.error("%s offers a file larger than %d bytes", self._asked, MAX_FILE_BYTES)
            raise InternalError
        names = [file.name for file in files]
        _, parts = await self._ask({"files": names}, most=sum(file.size for file in files))
        contents = {name: b"".join(parts.get(name, ())) for name in names}
        if any(hashlib.sha256(contents[file.name]).hexdigest() != file.sha256 for file in files):
            log.error("%s sent a file that has another digest than it said", self._asked)
            raise InternalError
        return contents

    async def _ask(self, more: dict[str, Any], *, most: int = 0) -> tuple[dict[str, Any], dict[str, list[bytes]]]:
        """The result, and the parts that came before it, of at most so many bytes."""
        envelope = {"op": "describe", "rid": new_id(), **self._about, **more}
        parts: dict[str, list[bytes]] = {}
        size = 0
        request = envelope_request(self._asked, envelope)
        async with aclosing(self._client.stream(request, stall_timeout_s=STALL_TIMEOUT_S)) as responses:
            async for response in responses:
                for record in read_records(response):
                    if record[KIND] == "error":
                        raise to_error(record)
                    if record[KIND] == "part":
                        name, content = _part(record, response)
                        size += len(content)
                        if size > most:
                            raise InternalError
                        parts.setdefault(name, []).append(content)
                    if record[KIND] == "result":
                        return _result(record), parts
        raise status.unavailable()


def _part(record: list[Any], response: Any) -> tuple[str, bytes]:
    """The name of the file and the slice of it that a `part` record announces. Raises InternalError."""
    try:
        _, _, _, name, *_ = record
        content = decode_bytes(output_bytes(response, PART) or b"")
        if not isinstance(name, str):
            raise TypeError("the name of a file is a string")
    except (IndexError, TypeError, ValueError) as error:
        log.error("a part does not follow the contract: %s", error)
        raise InternalError from error
    return name, content


def _result(record: list[Any]) -> dict[str, Any]:
    _, _, _, *rest = record
    if not rest or not isinstance(rest[0], dict):
        log.error("a result is not an object")
        raise InternalError
    return cast("dict[str, Any]", rest[0])


def file_entries(description: dict[str, Any]) -> dict[str, FileEntry]:
    """The files of a description, by name. Raises InternalError when it has another shape.

    The digest becomes the name of a file in the cache: it is nothing but hexadecimal digits.
    """
    try:
        entries = [FileEntry(str(file["name"]), int(file["size"]), file["sha256"]) for file in description["files"]]
        if not all(_SHA256.fullmatch(entry.sha256) for entry in entries):
            raise ValueError("a digest has 64 hexadecimal digits")
    except (KeyError, TypeError, ValueError) as error:
        log.error("the files of a description do not follow the contract: %s", error)
        raise InternalError from error
    return {entry.name: entry for entry in entries}


def travel(description: dict[str, Any]) -> list[Any]:
    """The ways of travel that a description offers beside the direct one."""
    ways = description.get("travel")
    return cast("list[Any]", ways) if isinstance(ways, list) else []
