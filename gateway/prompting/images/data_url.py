"""Data URLs (RFC 2397) to bytes, as far as images in a request go: base64 and nothing else."""

from __future__ import annotations

import base64
import binascii


def is_data_url(url: str) -> bool:
    """Whether the image is in the request itself."""
    return url[:5].lower() == "data:"


def size_of(url: str) -> int:
    """About how many bytes are in it: what is too large need not be decoded."""
    return (len(url) - url.find(",") - 1) * 3 // 4


def decode(url: str) -> bytes:
    """Raises ValueError when it is none, or not in base64."""
    head, comma, content = url.partition(",")
    if not comma or not head.lower().endswith(";base64"):
        raise ValueError("a data URL of an image is 'data:image/png;base64,' and the file in base64")
    try:
        return base64.b64decode(content, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError("what stands behind ';base64,' is no base64") from error
