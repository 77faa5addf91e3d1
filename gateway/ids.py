"""Ids that are never used twice: 128 random bits in hexadecimal, behind a prefix that says what they name."""

from __future__ import annotations

import secrets


def new_id(prefix: str = "") -> str:
    """A fresh id, such as `chatcmpl-` and 32 digits."""
    return prefix + secrets.token_hex(16)
