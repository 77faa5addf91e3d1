"""What an image file says of itself in its first bytes: its kind, and its size in pixels.

A file of a few bytes can decode to an image that fills all memory. So nothing is decoded here: the header is read up to the
size, which is then limited. PNG, JPEG, WebP and GIF are what OpenAI takes.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple


class ImageHeader(NamedTuple):
    """`kind` is the subtype of its media type: `png`, `jpeg`, `webp`, `gif`."""

    kind: str
    width: int
    height: int

    @property
    def pixels(self) -> int:
        return self.width * self.height


def read_header(data: bytes) -> ImageHeader:
    """Raises ValueError for what is no image of these kinds, or breaks off before its size."""
    for magic, (kind, read) in _KINDS.items():
        if data.startswith(magic):
            try:
                width, height = read(data)
            except (IndexError, struct.error) as error:
                raise ValueError(f"the {kind} file breaks off in its header") from error
            if width < 1 or height < 1:
                raise ValueError(f"the {kind} file has no pixels")
            return ImageHeader(kind, width, height)
    raise ValueError("not a PNG, JPEG, WebP or GIF file")


Size = tuple[int, int]


def _png(data: bytes) -> Size:
    if data[12:16] != b"IHDR":
        raise ValueError("the png file does not start with its header")
    return struct.unpack_from(">II", data, 16)


def _gif(data: bytes) -> Size:
    return struct.unpack_from("<HH", data, 6)


_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""JPEG's markers of a frame, which carries the size; the three left out are tables and a reserve."""
_ALONE: Final = frozenset({0x01, *range(0xD0, 0xD9)})
"""Those that have no length."""


def _jpeg(data: bytes) -> Size:
    place = 2
    while True:
        if data[place] != 0xFF:
            raise ValueError("the jpeg file has no marker where one belongs")
        marker = data[place + 1]
        if marker == 0xFF:  # filling
            place += 1
        elif marker in _ALONE:
            place += 2
        elif marker in _FRAMES:
            height, width = struct.unpack_from(">HH", data, place + 5)
            return width, height
        else:
            (length,) = struct.unpack_from(">H", data, place + 2)
            if length < 2 or marker in (0xD9, 0xDA):
                raise ValueError("the jpeg file has no frame before its data")
            place += 2 + length


def _webp(data: bytes) -> Size:
    if data[8:12] != b"WEBP":
        raise ValueError("not a PNG, JPEG, WebP or GIF file")
    form = data[12:16]
    if form == b"VP8X":
        return _three_bytes(data, 24) + 1, _three_bytes(data, 27) + 1
    if form == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if form == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF
    raise ValueError("the webp file starts with what is no image")


def _three_bytes(data: bytes, place: int) -> int:
    return data[place] | data[place + 1] << 8 | data[place + 2] << 16


_KINDS: Final[Mapping[bytes, tuple[str, Callable[[bytes], Size]]]] = {
    b"\x89PNG\r\n\x1a\n": ("png", _png),
    b"\xff\xd8\xff": ("jpeg", _jpeg),
    b"GIF87a": ("gif", _gif),
    b"GIF89a": ("gif", _gif),
    b"RIFF": ("webp", _webp),
}
