"""Images as requests have them: as much of a file as is looked at here."""

from __future__ import annotations

import base64
import struct


def png(width: int = 3, height: int = 5, filling: int = 0) -> bytes:
    """The header of a PNG, and so many bytes behind it."""
    return b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + struct.pack(">II", width, height) + bytes(filling)


def data_url(content: bytes) -> str:
    """As a client sends it along."""
    return f"data:image/png;base64,{base64.b64encode(content).decode()}"
