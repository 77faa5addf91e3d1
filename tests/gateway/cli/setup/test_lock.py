"""Twin of gateway/cli/setup/lock.py."""

import os
import threading
from pathlib import Path

import pytest

from gateway.cli.errors import Stopped
from gateway.cli.setup.lock import in_use, is_in_use, only_one


def test_a_second_set_up_waits_and_says_for_whom(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Two set-ups in one checkout do not collide, and Ctrl-C ends the wait."""
    path, stop = tmp_path / "a" / "lock", threading.Event()
    with only_one(path, stop):
        stop.set()
        with pytest.raises(Stopped), only_one(path, stop):
            pytest.fail("both hold it")
    assert f"process {os.getpid()}" in capsys.readouterr().out


def test_the_lock_is_free_again(tmp_path: Path):
    """It ends with its holder."""
    for _ in range(2):
        with only_one(tmp_path / "lock", threading.Event()):
            pass


def test_several_may_serve_from_one_checkout(tmp_path: Path):
    """Serving is shared; a set-up that would replace something can see it."""
    path = tmp_path / "use"
    with in_use(path), in_use(path):
        assert is_in_use(path)
    assert not is_in_use(path)
