"""Whether the checkout is at a usable path, and whether this user may write there. Each check returns a Problem or None."""

import errno
import os
import pwd
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from gateway.cli.errors import Problem
from gateway.cli.layout import Layout

_USABLE: Final = re.compile(r"[A-Za-z0-9_./@+,=~-]*", re.ASCII)
_NOT_WRITABLE: Final = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT)


def path(layout: Layout) -> Problem | None:
    """Whether Triton can start models from this path: its Python backend passes the path to a shell without quotes."""
    text = str(layout.root)
    if _USABLE.fullmatch(text):
        return None
    odd = "".join(sorted({character for character in text if not _USABLE.fullmatch(character)}))
    return Problem(
        f"The checkout is at '{text}', and Triton can't start models from a path with {odd!r}.",
        "move it, or clone it, to a path of ASCII letters, digits and _ . - only (a link to this folder does not help).",
    )


def writable(layout: Layout) -> Problem | None:
    """Whether this user may write everything that set-up and start write. All of it lies below .cache, links apart."""
    locked = next(
        (each for each in _written(layout) if each.exists() and not os.access(each, os.W_OK, effective_ids=True)), None
    )
    if locked is None:
        return None
    return Problem(
        f"{locked} belongs to {_owner(locked)} and can't be written by {_name(os.geteuid())}.",
        f"sudo chown -R {_name(os.geteuid())} {layout.cache}, if it is yours (a set-up as root leaves it to root);\n"
        "or clone the repository to a folder of your own; or, on a read-only file system, to another one.",
    )


def not_written(error: OSError) -> Problem | None:
    """A Problem for a file that this user can't use, or a disk that is full or read-only; None for other errors."""
    if error.errno not in _NOT_WRITABLE:
        return None
    return Problem(
        f"{error.filename or 'The disk'}: {error.strerror}.",
        f"free some space, or give the folder to {_name(os.geteuid())}, or use a checkout in a folder that is writable.",
    )


def _written(layout: Layout) -> Iterator[Path]:
    """What is there and may belong to somebody else, from the outside to the inside."""
    if not layout.cache.exists():
        yield layout.root
        return
    yield from (layout.cache, layout.set_up_lock, layout.use_lock)
    for folder in (layout.cache, layout.logs, layout.models, layout.cache / "envs"):
        if folder.is_dir():
            yield from sorted(folder.iterdir())


def _owner(path: Path) -> str:
    return _name(path.stat().st_uid)


def _name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:  # a container may run as a user without a name
        return f"the user {user}"
