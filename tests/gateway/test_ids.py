"""Ids that are never used twice."""

from __future__ import annotations

import re

from gateway.ids import new_id


def test_id_is_prefix_and_hexadecimal() -> None:
    """128 random bits, in lower case."""
    assert re.fullmatch(r"chatcmpl-[0-9a-f]{32}", new_id("chatcmpl-"))
    assert re.fullmatch(r"[0-9a-f]{32}", new_id())


def test_ids_differ() -> None:
    """Each from every other."""
    assert len({new_id() for _ in range(1000)}) == 1000
