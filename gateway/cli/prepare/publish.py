"""Publishes a folder of weights completely or not at all: it is built under another name and renamed at the end."""

import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def published(out: Path) -> Generator[Path]:
    """An empty folder beside `out`. When the block ends without an exception, the folder replaces `out`.

    If the block raises, `out` stays unchanged. If the process is killed in between, only a hidden sibling folder remains,
    which the next run removes. Run only one writer at a time: two runs for the same `out` share that sibling.
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
            out.rename(replaced)  # a folder can't be renamed to the name of one that contains files
        partial.rename(out)
    finally:
        _restore_if_killed_while_replacing(out, replaced)
        shutil.rmtree(partial, ignore_errors=True)


def _restore_if_killed_while_replacing(out: Path, replaced: Path) -> None:
    """Restore the old folder if the new one did not replace it, otherwise remove the old one."""
    if replaced.exists() and not out.exists():
        replaced.rename(out)
    shutil.rmtree(replaced, ignore_errors=True)


def _make_readable(folder: Path) -> None:
    """Make the files readable for all: some writers (safetensors) create files for their owner only, and Triton may run as
    another user."""
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
