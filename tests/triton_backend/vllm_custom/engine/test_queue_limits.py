"""vLLM's queue limits, switched on."""

from __future__ import annotations

from types import SimpleNamespace

from vllm_custom.engine.queue_limits import limit_queue


def limits(**changes):
    return SimpleNamespace(
        **{"max_num_seqs": 256, "max_num_batched_tokens": 8192, "max_num_queued_reqs": None,
           "max_num_queued_tokens": None, **changes}
    )  # fmt: skip


def test_queue_limits_are_on_and_sized():
    """What vLLM leaves open is limited by the size of the engine, and never below a small server's needs."""
    large, small = limits(), limits(max_num_seqs=8, max_num_batched_tokens=512)
    limit_queue(large, {}, context_length=32768, ranks=2)
    limit_queue(small, {}, context_length=32768, ranks=1)
    assert (large.max_num_queued_reqs, large.max_num_queued_tokens) == (2048, 1048576)
    assert (small.max_num_queued_reqs, small.max_num_queued_tokens) == (256, 131072)


def test_queue_has_room_for_one_request_of_many_prompts():
    """A pooling model takes thousands of inputs at once: the largest request fits an idle engine."""
    pooling = limits(max_num_seqs=8, max_num_batched_tokens=512)
    limit_queue(pooling, {}, context_length=512, ranks=1, prompts=4096)
    assert (pooling.max_num_queued_reqs, pooling.max_num_queued_tokens) == (4096, 4096 * 512)


def test_written_queue_limits_stay():
    """An operator's number stays, and so does his null, which is no limit."""
    written = limits(max_num_queued_reqs=10)
    limit_queue(written, {"max_num_queued_reqs": 10, "max_num_queued_tokens": None}, context_length=8192, ranks=1)
    assert (written.max_num_queued_reqs, written.max_num_queued_tokens) == (10, None)
