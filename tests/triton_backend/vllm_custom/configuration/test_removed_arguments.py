"""Engine arguments that vLLM once had."""

from __future__ import annotations

from vllm_custom.configuration.removed_arguments import REMOVED, removed


def test_removed_arguments_are_no_arguments_of_any_kind_of_ours():
    """The list of the past holds nothing that we read ourselves."""
    assert not REMOVED.keys() & {"model", "engine", "script"}


def test_only_what_this_vllm_has_lost_is_named():
    """With what to write instead; one that the installed vLLM still has is none, and neither is one that never was."""
    arguments = {"swap_space": 4, "worker_use_ray": True, "never_was": 1, "model": "m"}
    assert removed(arguments, {"model", "worker_use_ray"}) == {"swap_space": "write kv_offloading_size"}


def test_every_argument_has_an_advice():
    """An empty one would be a warning that ends in the air."""
    assert all(advice.strip() for advice in REMOVED.values())
