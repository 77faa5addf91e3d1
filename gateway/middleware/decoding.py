"""Bodies that came compressed (`Content-Encoding`), decoded to no more than a body may have."""

from __future__ import annotations

import zlib
from typing import Final

import zstandard

from gateway.errors import BadRequest, PayloadTooLarge, UnsupportedMediaType

ENCODINGS: Final = ("gzip", "zstd")
"""What a client may be told to try instead (`Accept-Encoding`)."""

_NAMES: Final = {"": "", "identity": "", "gzip": "gzip", "x-gzip": "gzip", "zstd": "zstd"}
_GZIP: Final = 16 + zlib.MAX_WBITS
_MOST_WINDOW: Final = 8 * 1024 * 1024


def encoding_of(header: str) -> str:
    """One of ENCODINGS, or "" for a body that is as it is. Raises UnsupportedMediaType."""
    encoding = _NAMES.get(header.strip().lower())
    if encoding is None:
        raise UnsupportedMediaType(
            f"Unsupported content encoding '{header[:100]}': send the body as it is, or with gzip or zstd."
        )
    return encoding


def decoded(body: bytes, encoding: str, max_bytes: int) -> bytes:
    """At most `max_bytes`. Raises PayloadTooLarge as soon as there are more, and BadRequest if it is not what it says."""
    try:
        whole = _gunzip(body, max_bytes) if encoding == "gzip" else _unzstd(body, max_bytes)
    except (zlib.error, zstandard.ZstdError, EOFError):
        raise BadRequest(f"The body could not be decoded: it is not {encoding}.") from None
    if len(whole) > max_bytes:
        raise PayloadTooLarge(f"Request body too large: at most {max_bytes} bytes are accepted, after decoding too.")
    return whole


def _gunzip(body: bytes, max_bytes: int) -> bytes:
    """All members of it (RFC 1952, section 2.2), but no more than one byte too many."""
    parts: list[bytes] = []
    room = max_bytes + 1
    while True:
        member = zlib.decompressobj(_GZIP)
        parts.append(member.decompress(body, room))
        room -= len(parts[-1])
        if room == 0:
            break
        if not member.eof:
            raise EOFError
        body = member.unused_data
        if not body:
            break
    return b"".join(parts)


def _unzstd(body: bytes, max_bytes: int) -> bytes:
    """All frames of it (RFC 8878, section 3.1), but no more than one byte too many. The window is the largest that HTTP
    allows (RFC 9659), whatever a frame asks for."""
    decompressor = zstandard.ZstdDecompressor(max_window_size=_MOST_WINDOW)
    with decompressor.stream_reader(body, read_across_frames=True) as reader:
        return reader.read(max_bytes + 1)
