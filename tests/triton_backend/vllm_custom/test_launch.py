"""From Triton's arguments to a running instance."""

from __future__ import annotations

import os
import sys
import threading

import pytest
from vllm_custom import launch
from vllm_custom.configuration.config import EngineConfig
from vllm_custom.configuration.settings import Settings
from vllm_custom.errors import ConfigError
from vllm_custom.gpus.inventory import Gpu, Inventory
from vllm_custom.instance import Instance

TWO = Inventory((Gpu("GPU-aaaa", "H100"), Gpu("GPU-bbbb", "H100")))


@pytest.fixture
def take(tmp_path, monkeypatch):
    """Takes GPUs for a model on a host that has two; what a CUDA build and nvidia-smi would say is given."""
    monkeypatch.setattr("vllm_custom.gpus.probe.is_for_cuda", lambda: True)
    monkeypatch.setattr("vllm_custom.gpus.probe.list_gpus", lambda: TWO)
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    taken = []

    def taking(model, environment, kind="MODEL", ids=(), **arguments):
        config = EngineConfig(model, tmp_path / model / "1" / "model.json", "vllm", arguments)
        args = {"model_instance_kind": kind, "model_instance_device_id": "1"}
        taken.append(launch._take_gpus(config, Settings(gpu_device_ids=tuple(ids)), args, environment))
        return taken[-1]

    yield taking
    for register in taken:
        register.leave()


def test_engine_is_shown_its_devices(take):
    """Two models side by side, each on one of the devices that Triton was shown by UUID."""
    first = {"CUDA_VISIBLE_DEVICES": "GPU-bbbb,GPU-aaaa"}
    second = dict(first)
    take("one", first, ids=[0])
    take("two", second, ids=[1])
    assert (first["CUDA_VISIBLE_DEVICES"], second["CUDA_VISIBLE_DEVICES"]) == ("GPU-bbbb", "GPU-aaaa")


def test_gpu_of_the_instance_group_is_shown(take):
    """Triton's kind and device come as texts."""
    environment = {}
    take("one", environment, kind="GPU")
    assert environment["CUDA_VISIBLE_DEVICES"] == "1"


def test_device_that_is_given_away_is_refused(take):
    """Both take the first GPU, and vLLM's usual share of it."""
    take("one", {})
    with pytest.raises(ConfigError, match=r"two/1/model\.json: of the memory of GPU GPU-aaaa") as refused:
        take("two", {})
    assert "two 0.92, one 0.92" in str(refused.value)


def test_build_for_the_cpu_takes_no_gpu(take, monkeypatch, caplog):
    """Its environment is left alone, whatever the host has; a choice that means nothing is a warning."""
    monkeypatch.setattr("vllm_custom.gpus.probe.is_for_cuda", lambda: False)
    environment = {}
    take("one", environment, kind="GPU", tensor_parallel_size=8)
    take("two", environment, ids=[0])
    assert environment == {}
    assert "gpu_device_ids means nothing" in caplog.text


def test_operators_environment_is_kept():
    """Defaults fill what nobody has set."""
    environment = {"HF_HUB_OFFLINE": "0"}
    launch._set_environment(environment, {})
    assert environment["HF_HUB_OFFLINE"] == "0"
    assert environment["VLLM_WORKER_MULTIPROC_METHOD"] == "spawn"


def test_models_own_environment_wins(start, monkeypatch):
    """What model.json says is said of this model alone: over Triton's environment, over our defaults, over `threads`."""
    monkeypatch.setattr(os, "environ", environment := {"OMP_NUM_THREADS": "16", "LEFT": "alone"})
    chosen = {"HF_HUB_OFFLINE": "0", "VLLM_CPU_OMP_THREADS_BIND": "0-1"}
    start(vllm_custom={"threads": 2, "environment": chosen})
    expected = {"OMP_NUM_THREADS": "2", "LEFT": "alone", **chosen}
    assert expected.items() <= environment.items()


def test_model_stands_back(start, monkeypatch):
    """`nice` is that of the whole process, once; without it nobody is asked."""
    asked = []
    monkeypatch.setattr(os, "nice", asked.append)
    start()
    start(vllm_custom={"nice": 5})
    assert asked == [5]


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


def test_sender_gets_its_turn_soon(monkeypatch):
    """Whatever comes after it: the interpreter's lock changes hands sooner than by default."""
    before = sys.getswitchinterval()
    monkeypatch.setattr(launch.config, "load", lambda *_: pytest.fail("stop here"))
    try:
        with pytest.raises(pytest.fail.Exception):
            launch.launch({"model_config": "{}", "model_name": "m", "model_version": "1", "model_repository": "/m"})
        assert sys.getswitchinterval() == pytest.approx(launch.SWITCH_INTERVAL)
    finally:
        sys.setswitchinterval(before)
