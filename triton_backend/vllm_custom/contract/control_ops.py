"""The ops by which an operator controls an engine; each is answered only where model.json lists it."""

from __future__ import annotations

CONTROL_OPS = ("sleep", "wake", "reset_prefix_cache", "drain", "resume")
