"""The size of an image out of its first bytes, without opening it."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.prompting.images.header import ImageHeader, read_header

# Written by Pillow: 3 pixels wide, 5 high, one colour. The JPEG files end behind their frame.
FILES = {
    "png": "iVBORw0KGgoAAAANSUhEUgAAAAMAAAAFCAIAAAAPE8H1AAAAF0lEQVR4nGPk5GBnYGBgYGBgYoAB/CwABa4AInMmQSYAAAAASUVORK5CYII=",
    "gif": "R0lGODdhAwAFAIEAAAkIBwAAAAAAAAAAACwAAAAAAwAFAAAICAABCBxIsGBAADs=",
    "webp lossy": "UklGRiQAAABXRUJQVlA4IBgAAAAwAQCdASoDAAUADMDOJaQAA3AA/uvUgAA=",
    "webp lossless": "UklGRh4AAABXRUJQVlA4TBEAAAAvAgABAAdQhCb0oP+BiOh/AAA=",
    "webp extended": (
        "UklGRkgAAABXRUJQVlA4WAoAAAAIAAAAAgAABAAAVlA4IBgAAAAwAQCdASoDAAUADMDOJaQAA3AA/uvUgABFWElGCgAAAE1NACoAAAAIAAA="
    ),
    "jpeg": "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAP" + "/" * 86 + "wAARCAAFAAMDASIAAhEBAxEB",
    "jpeg progressive": "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAP" + "/" * 86 + "wgARCAAFAAMDASIAAhEBAxEB",
}
CONTENTS = {name: base64.b64decode(text) for name, text in FILES.items()}


@pytest.mark.parametrize("name", CONTENTS)
def test_size_is_read(name: str) -> None:
    """Of every kind and form that is taken."""
    assert read_header(CONTENTS[name]) == ImageHeader(name.split()[0], 3, 5)


def test_jpeg_may_be_filled_and_hold_tables_first() -> None:
    """Markers without a length, filling between markers and segments of any kind stand before the frame."""
    content = CONTENTS["jpeg"]
    filled = content[:2] + b"\xff\x01" + b"\xff\xff\xff\xfe\x00\x04hi" + content[2:]
    assert read_header(filled) == ImageHeader("jpeg", 3, 5)


@pytest.mark.parametrize("name", CONTENTS)
def test_header_that_breaks_off_is_refused(name: str) -> None:
    """At whatever byte: the size is read whole, or not at all."""
    content = CONTENTS[name]
    for length in range(len(content)):
        try:
            assert read_header(content[:length])[1:] == (3, 5)
        except ValueError:
            continue


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"RIFF\x00\x00\x00\x00WAVEfmt ",
        CONTENTS["png"][:16] + bytes(8) + CONTENTS["png"][24:],
        b"\xff\xd8\xff\xda\x00\x02",
        b"\xff\xd8\xff\xe0\x00\x00",
        b"\xff\xd8\xff\xe0\x00\x02hello",
        b"RIFF\x00\x00\x00\x00WEBPALPH" + bytes(20),
    ],
    ids=["empty", "svg", "sound", "no pixels", "no frame", "no length", "no marker", "no form"],
)
def test_what_is_no_image_is_refused(content: bytes) -> None:
    """With ValueError, and nothing else."""
    with pytest.raises(ValueError, match=r"file|image"):
        read_header(content)


@given(st.sampled_from(sorted(CONTENTS)), st.integers(0, 90), st.binary(max_size=20))
def test_damaged_header_is_read_or_refused(name: str, place: int, damage: bytes) -> None:
    """No byte of a file makes the reader fail otherwise, or run on."""
    content = CONTENTS[name]
    try:
        read_header(content[:place] + damage + content[place + len(damage) :])
    except ValueError:
        return
