"""Shares of GPU memory, agreed on between processes that don't know each other."""

from __future__ import annotations

import fcntl
import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vllm_custom.errors import ConfigError
from vllm_custom.gpus.claims import ROUNDING, USUAL_SHARE, Claim, Register, conflict

SOURCE = "there/model.json"
ROOT = Path(__file__).parents[4]


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "claims"


@pytest.fixture
def take(folder):
    registers = []

    def taking(model, devices, share=USUAL_SHARE, **keys):
        registers.append(Register(folder))
        registers[-1].take(SOURCE, Claim(model, tuple(devices), share, **keys))
        return registers[-1]

    yield taking
    for register in registers:
        register.release()


def claims(folder):
    return sorted(json.loads(path.read_text())["model"] for path in folder.glob("*.json"))


def test_different_devices_do_not_meet(take, folder):
    """Each may take all of its own."""
    take("a", ["GPU-1"], 1.0)
    take("b", ["GPU-2"], 1.0)
    assert claims(folder) == ["a", "b"]


def test_shares_of_one_device_add_up(take, folder):
    """Up to the whole of it; who goes beyond is told all who are there, and leaves nothing."""
    take("a", ["GPU-1", "GPU-2"], 0.3)
    take("b", ["GPU-2"], 0.7)
    with pytest.raises(ConfigError) as refused:
        take("c", ["GPU-1", "GPU-2"], 0.1)
    message = str(refused.value)
    assert message.startswith("there/model.json: of the memory of GPU GPU-2 the models want 1.1 in all")
    assert "c 0.1" in message
    assert "gpu_device_ids" in message
    assert claims(folder) == ["a", "b"]


def test_device_is_free_again_when_its_model_has_gone(take, folder):
    """Leaving twice does no harm."""
    first = take("a", ["GPU-1"])
    first.release()
    first.release()
    take("b", ["GPU-1"])
    assert claims(folder) == ["b"]


def test_dead_process_claims_nothing(take, folder):
    """A stub that was killed leaves its file behind; the next one clears it away."""
    script = """
import os, signal, sys
from pathlib import Path
from tests.triton_backend.vllm_custom import conftest
from vllm_custom.gpus.claims import Claim, Register
Register(Path(sys.argv[1])).take("f", Claim("dead", ("GPU-1",), 1.0))
os.kill(os.getpid(), signal.SIGKILL)
"""
    ended = subprocess.run([sys.executable, "-c", script, str(folder)], check=False, cwd=ROOT)
    assert ended.returncode == -9
    assert claims(folder) == ["dead"]
    take("b", ["GPU-1"])
    assert claims(folder) == ["b"]


def test_claim_that_vanishes_is_none(take, folder):
    """Its model left while the others' were read; this one is still seen by the next."""
    folder.mkdir()
    (folder / "gone.json").symlink_to(folder / "nowhere")
    take("a", ["GPU-1"])
    with pytest.raises(ConfigError, match=r"\(b 0\.92, a 0\.92;"):
        take("b", ["GPU-1"])


def test_claim_that_was_not_written_is_a_warning(take, folder, caplog):
    """Its process lives, and the disk was full."""
    folder.mkdir()
    with (folder / "half.json").open("w") as half:
        fcntl.flock(half, fcntl.LOCK_EX)
        take("a", ["GPU-1"])
    assert "a claim is not counted" in caplog.text
    with pytest.raises(ConfigError):
        take("b", ["GPU-1"])


def test_living_process_is_seen(take, folder):
    """By another process, which is refused."""
    take("a", ["GPU-1"])
    script = """
import sys
from pathlib import Path
from tests.triton_backend.vllm_custom import conftest
from vllm_custom.gpus.claims import Claim, Register
Register(Path(sys.argv[1])).take("f", Claim("b", ("GPU-1",), 0.5))
"""
    ended = subprocess.run(
        [sys.executable, "-c", script, str(folder)], check=False, cwd=ROOT, capture_output=True, text=True
    )
    assert "ConfigError: f: of the memory of GPU GPU-1 the models want 1.42 in all (b 0.5, a 0.92;" in ended.stderr


def test_model_that_can_sleep_is_warned_of(take, folder, caplog):
    """Two that take turns may share a device."""
    take("a", ["GPU-1"], sleeps=True)
    take("b", ["GPU-1"])
    assert claims(folder) == ["a", "b"]
    assert "only while one of them sleeps" in caplog.text


def test_unknown_share_counts_nothing(take, folder):
    """Neither for its own model nor for the others."""
    take("a", ["GPU-1"], None)
    take("b", ["GPU-1"], 1.0)
    take("c", ["GPU-1"], None)
    assert claims(folder) == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("arguments", "share", "sleeps"),
    [
        ({}, USUAL_SHARE, False),
        ({"gpu_memory_utilization": 0.4}, 0.4, False),
        ({"gpu_memory_utilization": 1, "enable_sleep_mode": True}, 1.0, True),
        ({"gpu_memory_utilization": "0.4"}, None, False),
        ({"kv_cache_memory_bytes": 1 << 30}, None, False),
        ({"kv_cache_memory_bytes": None}, USUAL_SHARE, False),
    ],
)
def test_claim_follows_from_the_arguments(arguments, share, sleeps):
    """With a size of its own for the cache, the share is not what an engine takes."""
    assert Claim.of("a", ["GPU-1"], arguments) == Claim("a", ("GPU-1",), share, sleeps)


def test_folder_of_somebody_else_is_not_used(take, folder, tmp_path, caplog):
    """A link that somebody laid there would let him choose what is written where; serving goes on."""
    (tmp_path / "elsewhere").mkdir()
    folder.symlink_to(tmp_path / "elsewhere")
    take("a", ["GPU-1"])
    assert "belongs to somebody else" in caplog.text
    assert not list((tmp_path / "elsewhere").iterdir())


def test_place_that_cannot_be_written_is_a_warning(tmp_path, caplog):
    """A container may have no room for it."""
    (tmp_path / "file").write_text("")
    Register(tmp_path / "file" / "claims").take(SOURCE, Claim("a", ("GPU-1",), 0.5))
    assert "are not checked" in caplog.text


SHARES = st.lists(st.floats(0.01, 1), max_size=5)


@given(st.floats(0.01, 1), SHARES, SHARES)
def test_conflict_is_a_sum_over_one(mine, here, elsewhere):
    """Of all shares of one device, and of none of another."""
    others = [Claim(f"h{n}", ("d",), share) for n, share in enumerate(here)]
    others += [Claim(f"e{n}", ("x",), share) for n, share in enumerate(elsewhere)]
    found = conflict(Claim("m", ("d",), mine), others)
    assert (found is not None) == (bool(here) and mine + sum(here) > 1 + ROUNDING)
