"""A script whose requests wait an hour in the state they are named after, and how a test sees that one is there."""

from __future__ import annotations

CHECKING = {"prompt": "check", "accept_seconds": 3600}
PREFILLING = {"prompt": "prefill", "text": "ab", "prefill_seconds": 3600}
DECODING = {"prompt": "decode", "text": "ab", "token_seconds": 3600}
SCRIPT = (PREFILLING, DECODING)
STATES = [("prefill", "accepted", True), ("prefill", "accepted", False), ("decode", "delta", True)]
"""Prompt, the record that is sent when its state is reached, and whether it streams."""
