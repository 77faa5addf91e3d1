"""Files of a model: in parts, checked, and never trusted."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import BadRequest, GatewayError, InternalError, Unavailable
from gateway.triton.client import TritonClient
from gateway.triton.files import MAX_FILE_BYTES, Describer, FileEntry, file_entries
from gateway.triton.protocol import encode_bytes, pb
from tests.fakes.triton import CHAT_MODEL, CONTEXT_LENGTH, PART_BYTES, FakeTriton

pytestmark = pytest.mark.anyio

CONTENT = b"some bytes"
ENTRY = FileEntry("tokenizer.json", len(CONTENT), hashlib.sha256(CONTENT).hexdigest())


class Scripted(TritonClient):
    """Answers every stream with the same responses."""

    def __init__(self, *responses: Any) -> None:
        super().__init__("127.0.0.1:1")
        self.responses = responses

    async def stream(self, request: Any, **_: Any) -> AsyncGenerator[Any, None]:
        for response in self.responses:
            yield response


def response(records: Any, part: bytes | None = None) -> Any:
    import json

    message = pb.ModelInferResponse(model_name="m")
    tensors = {"records": json.dumps(records).encode()} | ({} if part is None else {"part": part})
    for name, content in tensors.items():
        message.outputs.add(name=name, datatype="BYTES", shape=[1])
        message.raw_output_contents.append(encode_bytes(content))
    return message


def part(content: bytes, name: Any = ENTRY.name) -> Any:
    return response([["r", "part", None, name, 0, len(content)]], content)


RESULT = response([["r", "result", None, {}]])


async def test_description_and_files_arrive(triton: FakeTriton) -> None:
    """The description, then files in several parts, whole again."""
    client = TritonClient(triton.address)
    describer = Describer(client, CHAT_MODEL)
    description = await describer.describe()
    assert description["context_length"] == CONTEXT_LENGTH
    entries = file_entries(description)
    contents = await describer.read(list(entries.values()))
    assert contents == triton.files[CHAT_MODEL]
    assert max(map(len, contents.values())) > 2 * PART_BYTES
    await client.close()


async def test_assets_speaks_for_others(triton: FakeTriton) -> None:
    """A model that can't describe itself is described by `assets`."""
    client = TritonClient(triton.address)
    description = await Describer(client, "assets", "toy-moderation").describe()
    assert set(file_entries(description)) == {"tokenizer.json", "labels.json"}
    await client.close()


async def test_good_parts_are_joined() -> None:
    """In the order they came."""
    client = Scripted(part(CONTENT[:4]), part(CONTENT[4:]), RESULT)
    assert await Describer(client, "m").read([ENTRY]) == {ENTRY.name: CONTENT}
    await client.close()


@pytest.mark.parametrize(
    ("responses", "expected"),
    [
        ([part(b"other bytes"[: len(CONTENT)]), RESULT], InternalError),
        ([part(CONTENT + b"and more"), RESULT], InternalError),
        ([part(CONTENT[:4]), RESULT], InternalError),
        ([RESULT], InternalError),
        ([part(CONTENT, name=5), RESULT], InternalError),
        ([part(CONTENT, name=[]), RESULT], InternalError),
        ([response([["r", "part", None]], CONTENT)], InternalError),
        ([response([["r", "part", None, ENTRY.name, 0, 1]])], InternalError),
        ([response([["r", "result", None]])], InternalError),
        ([response([["r", "result", None, []]])], InternalError),
        ([response([["r", "error", None]])], InternalError),
        ([response([["r", "error", None, "bad_request", None, None, "no"]])], BadRequest),
        ([response({"not": "records"})], InternalError),
        ([part(CONTENT)], Unavailable),
        ([], Unavailable),
    ],
)
async def test_malformed_files_are_refused(responses: list[Any], expected: type[GatewayError]) -> None:
    """Wrong digests, too much, too little, and records of other shapes: a GatewayError, whatever comes."""
    client = Scripted(*responses)
    with pytest.raises(expected) as caught:
        await Describer(client, "m").read([ENTRY])
    assert type(caught.value) is expected
    await client.close()


async def test_endless_file_is_not_collected() -> None:
    """A model that sends more than it announced is stopped there, not when memory is full."""
    sent = 0

    class Endless(Scripted):
        async def stream(self, request: Any, **_: Any) -> AsyncGenerator[Any, None]:
            nonlocal sent
            while sent < 1000:
                sent += 1
                yield part(CONTENT)
                await asyncio.sleep(0)

    client = Endless()
    with pytest.raises(InternalError):
        await Describer(client, "m").read([ENTRY])
    assert sent == 2
    await client.close()


async def test_huge_file_is_not_asked_for() -> None:
    """The size in the description is looked at first."""
    client = Scripted()
    with pytest.raises(InternalError):
        await Describer(client, "m").read([FileEntry("f", MAX_FILE_BYTES + 1, ENTRY.sha256)])
    await client.close()


@pytest.mark.parametrize(
    "files",
    [
        None,
        5,
        [5],
        [{}],
        [{"name": "f", "size": "many", "sha256": ENTRY.sha256}],
        [{"name": "f", "size": 1, "sha256": "../../etc/passwd"}],
        [{"name": "f", "size": 1, "sha256": "/etc/hostname"}],
        [{"name": "f", "size": 1, "sha256": 5}],
        [{"name": "f", "size": 1, "sha256": ENTRY.sha256 + "\n"}],
    ],
)
async def test_malformed_description_is_refused(files: Any) -> None:
    """A digest names a file of the cache: nothing but hexadecimal digits gets near it."""
    with pytest.raises(InternalError):
        file_entries({"files": files})


@given(st.dictionaries(st.text(max_size=6), st.none() | st.integers() | st.text() | st.lists(st.integers())))
def test_any_description_is_read_or_refused(description: dict[str, Any]) -> None:
    """Never another exception."""
    try:
        file_entries(description)
    except InternalError:
        pass
