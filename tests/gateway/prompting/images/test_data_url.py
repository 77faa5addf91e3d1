"""Data URLs to bytes."""

from __future__ import annotations

import base64

import pytest

from gateway.prompting.images.data_url import decode, is_data_url, size_of


@pytest.mark.parametrize("size", [0, 1, 2, 3, 100])
def test_content_comes_back(size: int) -> None:
    """Whatever its media type says; about as large as was told before."""
    content = bytes(range(size))
    for head in ("data:image/png", "data:image/png;name=x", "DATA:", "data:text/plain"):
        url = f"{head};base64,{base64.b64encode(content).decode()}"
        assert is_data_url(url)
        assert decode(url) == content
        assert 0 <= size_of(url) - size <= 2


@pytest.mark.parametrize(
    "url",
    [
        "data:",
        "data:image/png,abc",
        "data:image/png;base64",
        "data:;base64,a",
        "data:;base64,a b=",
        "data:;base64,_-==",
    ],
)
def test_other_encodings_are_refused(url: str) -> None:
    """Base64 alone, in its plain alphabet."""
    with pytest.raises(ValueError, match="base64"):
        decode(url)


def test_addresses_are_no_data_urls() -> None:
    """They are fetched, or refused."""
    assert not is_data_url("https://example.org/data:")
