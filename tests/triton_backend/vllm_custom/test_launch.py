"""From Triton's arguments to a running instance."""

from __future__ import annotations

import threading

import pytest
from vllm_custom import launch
from vllm_custom.errors import ConfigError
from vllm_custom.instance import Instance


@pytest.mark.parametrize(
    ("shown", "gpu", "expected"),
    [
        (None, 1, "1"),
        ("2,3", 0, "2"),
        ("2,3", 1, "3"),
        ("GPU-aaaa,MIG-bbbb", 1, "MIG-bbbb"),
        ("2,3", None, "2,3"),
        (None, None, None),
    ],
)
def test_gpu_is_counted_within_those_shown(shown, gpu, expected):
    """The instance group's GPU is one of the devices that Triton itself was shown, by whatever name."""
    environment = {} if shown is None else {"CUDA_VISIBLE_DEVICES": shown}
    launch._show_only(environment, gpu)
    assert environment.get("CUDA_VISIBLE_DEVICES") == expected


def test_operators_environment_is_kept():
    """Defaults fill what nobody has set."""
    environment = {"HF_HUB_OFFLINE": "0"}
    launch._set_environment(environment)
    assert environment["HF_HUB_OFFLINE"] == "0"
    assert environment["VLLM_WORKER_MULTIPROC_METHOD"] == "spawn"


@pytest.mark.parametrize("name", ["tokenizer.json"])
def test_failed_start_leaves_no_thread(start, model_directory, name):
    """When the engine cannot start, the error says why and no thread is left."""
    (model_directory / "1" / "weights" / name).unlink()
    before = set(threading.enumerate())
    with pytest.raises(ConfigError, match=name):
        start()
    assert set(threading.enumerate()) == before


def test_stop_leaves_no_thread(start):
    """After finalize every thread of the instance has ended."""
    before = set(threading.enumerate())
    backend = start()
    assert set(threading.enumerate()) > before
    backend.model.finalize()
    assert set(threading.enumerate()) == before


def test_interrupted_start_stops_the_engine():
    """Even an interruption, which is no Exception, ends what was started."""

    class Interrupted:
        stopped = False

        def start(self):
            raise KeyboardInterrupt

        def stop(self, timeout):
            self.stopped = True

    engine = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        Instance("toy", engine).start()
    assert engine.stopped
