"""Compressed bodies: what comes out, and how much of a bomb."""

from __future__ import annotations

import gzip
import resource

import pytest
import zstandard

from gateway.errors import BadRequest, PayloadTooLarge, UnsupportedMediaType
from gateway.middleware.decoding import decoded, encoding_of

COMPRESS = {"gzip": gzip.compress, "zstd": zstandard.compress}
of_both = pytest.mark.parametrize("encoding", COMPRESS)


@pytest.mark.parametrize(
    ("header", "encoding"), [("", ""), ("identity", ""), ("x-gzip", "gzip"), (" GZIP ", "gzip"), ("zstd", "zstd")]
)
def test_header_names_an_encoding(header: str, encoding: str) -> None:
    """In any case."""
    assert encoding_of(header) == encoding


@pytest.mark.parametrize("header", ["br", "deflate", "gzip, zstd"])
def test_other_encoding_is_refused(header: str) -> None:
    """Also several of them."""
    with pytest.raises(UnsupportedMediaType):
        encoding_of(header)


@of_both
def test_body_may_have_several_parts(encoding: str) -> None:
    """Members of gzip, frames of zstd; the limit is that of all."""
    body = COMPRESS[encoding](b"ab") + COMPRESS[encoding](b"cd")
    assert decoded(body, encoding, 4) == b"abcd"
    with pytest.raises(PayloadTooLarge):
        decoded(body, encoding, 3)


@of_both
def test_bomb_is_not_unpacked(encoding: str) -> None:
    """A gigabyte in little; it costs no more memory than a body may have."""
    small = COMPRESS[encoding](bytes(64 * 1024 * 1024))
    bomb = small * 16
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(PayloadTooLarge):
        decoded(bomb, encoding, 1024 * 1024)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 32 * 1024  # KiB


@of_both
def test_other_bytes_are_refused(encoding: str) -> None:
    """As a mistake of the client's."""
    with pytest.raises(BadRequest):
        decoded(b"neither", encoding, 100)


def test_window_is_bounded() -> None:
    """A frame may ask for gigabytes of it."""
    parameters = zstandard.ZstdCompressionParameters(window_log=27)
    compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    with pytest.raises(BadRequest):
        decoded(compressor.compress(bytes(2**24)) + compressor.flush(), "zstd", 2**25)
