"""A folder of weights appears whole or not at all: it is built under another name and renamed at the end."""

import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def published(out: Path) -> Generator[Path]:
    """An empty folder beside `out` to fill; when the block ends well it becomes `out`, replacing what was there.

    A block that raises leaves `out` as it was. A process killed in between leaves only a hidden sibling, which the
    next run removes. One writer at a time: two runs for the same `out` share that sibling.
    """
    out = out.resolve()
    partial = out.with_name(f".{out.name}.partial")
    replaced = out.with_name(f".{out.name}.replaced")
    out.parent.mkdir(parents=True, exist_ok=True)
    _restore_if_killed_while_replacing(out, replaced)
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    try:
        yield partial
        _make_readable(partial)
        if out.exists():
            out.rename(replaced)  # a folder cannot be renamed over one that has files in it
        partial.rename(out)
    finally:
        _restore_if_killed_while_replacing(out, replaced)
        shutil.rmtree(partial, ignore_errors=True)


def _restore_if_killed_while_replacing(out: Path, replaced: Path) -> None:
    """Bring the old folder back when the new one never took its place, and remove it when it did."""
    if replaced.exists() and not out.exists():
        replaced.rename(out)
    shutil.rmtree(replaced, ignore_errors=True)


def _make_readable(folder: Path) -> None:
    """Some writers (safetensors) create files for their owner only; Triton may run as another user."""
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
