"""Elements of BYTES tensors."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.triton.protocol import decode_bytes, encode_bytes


@given(st.binary(max_size=300))
def test_element_comes_back(value: bytes) -> None:
    """Whatever is in it."""
    assert decode_bytes(encode_bytes(value)) == value
    assert len(encode_bytes(value)) == len(value) + 4


def test_length_is_little_endian() -> None:
    """In four bytes before it."""
    assert encode_bytes(b"ab") == b"\x02\x00\x00\x00ab"


@given(st.binary(max_size=12))
def test_other_bytes_are_refused(raw: bytes) -> None:
    """One element and nothing else, of the length that it says."""
    if raw[:4] == len(raw[4:]).to_bytes(4, "little"):
        assert decode_bytes(raw) == raw[4:]
    else:
        with pytest.raises(ValueError, match="another length"):
            decode_bytes(raw)
