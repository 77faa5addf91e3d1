"""The environment of a model's processes."""

from __future__ import annotations

import os

from vllm_custom.configuration.process_environment import set_variables


def test_operators_environment_is_kept():
    """Defaults fill what nobody has set."""
    environment = {"HF_HUB_OFFLINE": "0"}
    set_variables(environment, {})
    assert environment["HF_HUB_OFFLINE"] == "0"
    assert environment["VLLM_WORKER_MULTIPROC_METHOD"] == "spawn"


def test_models_own_environment_wins(start, monkeypatch):
    """What model.json says is said of this model alone: over Triton's environment, over our defaults, over `threads`."""
    monkeypatch.setattr(os, "environ", environment := {"OMP_NUM_THREADS": "16", "LEFT": "alone"})
    chosen = {"HF_HUB_OFFLINE": "0", "VLLM_CPU_OMP_THREADS_BIND": "0-1"}
    start(vllm_custom={"threads": 2, "environment": chosen})
    expected = {"OMP_NUM_THREADS": "2", "LEFT": "alone", **chosen}
    assert expected.items() <= environment.items()
