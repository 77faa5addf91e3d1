"""Giving a model its GPUs."""

from __future__ import annotations

import pytest
from vllm_custom.configuration.config import EngineConfig
from vllm_custom.configuration.settings import Settings
from vllm_custom.errors import ConfigError
from vllm_custom.gpus.assignment import assign
from vllm_custom.gpus.inventory import Gpu, Inventory

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
        taken.append(assign(config, Settings(gpu_device_ids=tuple(ids)), kind, 1, environment))
        return taken[-1]

    yield taking
    for register in taken:
        register.release()


def test_engine_is_shown_its_devices(take):
    """Two models side by side, each on one of the devices that Triton was shown by UUID."""
    first = {"CUDA_VISIBLE_DEVICES": "GPU-bbbb,GPU-aaaa"}
    second = dict(first)
    take("one", first, ids=[0])
    take("two", second, ids=[1])
    assert (first["CUDA_VISIBLE_DEVICES"], second["CUDA_VISIBLE_DEVICES"]) == ("GPU-bbbb", "GPU-aaaa")


def test_gpu_of_the_instance_group_is_shown(take):
    """By its number among those that Triton was shown."""
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
