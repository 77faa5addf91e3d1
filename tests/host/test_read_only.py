"""A container without a folder that can be written."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.host.hosts import Said, run, with_mounts

ALL_READ_ONLY = "while read _ mounted _; do mount -o remount,bind,ro $mounted || true; done < /proc/mounts"


def serve(*mounts: str, **variables: str) -> Said:
    """Start a gateway there; one that can start ends by itself after two seconds."""
    before = [*with_mounts(f"({ALL_READ_ONLY}) 2> /dev/null", *mounts), "timeout", "-s", "TERM", "4"]
    port = {"TRITON_GATEWAY_PORT": "18999", "TRITON_GATEWAY_TRITON_URLS": "127.0.0.1:1"}
    return run([*before, sys.executable, "-m", "gateway"], variables={**port, **variables})


@pytest.mark.parametrize("workers", ["1", "2"])
def test_no_folder_to_write_in(workers: str) -> None:
    """A sentence with the settings that name one."""
    said = serve(TRITON_GATEWAY_WORKERS=workers)
    assert said.status == 2, said
    assert "name a writable one: TMPDIR=…, or TRITON_GATEWAY_RUNTIME_DIR=…" in said.err
    assert "Traceback" not in said.err


@pytest.mark.parametrize("variable", ["TMPDIR", "TRITON_GATEWAY_RUNTIME_DIR"])
def test_one_folder_to_write_in(variable: str, tmp_path: Path) -> None:
    """It is enough, by either setting, and nothing is left in it."""
    said = serve(f"mount -t tmpfs tmpfs {tmp_path}", **{variable: str(tmp_path)})
    assert "listening on 127.0.0.1:18999" in said.err, said
    assert "Traceback" not in said.err
