"""Keeps Python's garbage collector from stopping all streams.

An engine's start leaves some 600,000 objects of vLLM and torch in this process. A full collection walks every one of
them, under the interpreter's lock, and no stream has a token meanwhile, for 0.3 to 0.5 s. Frozen objects are not walked any
more. A circle of objects that is frozen stays for good, so what an engine has left behind is collected before.
"""

from __future__ import annotations

import gc

# A young collection every so many new objects, and an older one every so many of those. Python's own (700, 10, 10) suit
# programs that make fewer objects: each token of each stream makes some.
THRESHOLD = (20_000, 50, 50)


def settle() -> None:
    """When an engine has started, before it serves: this walks everything, what the engine before it has left too."""
    gc.unfreeze()
    settle_new()
    gc.set_threshold(*THRESHOLD)


def settle_new() -> None:
    """While streams run: only what is new since then is walked, once."""
    gc.collect()
    gc.freeze()
