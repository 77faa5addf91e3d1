"""Twin of gateway/cli/supervise/stubs.py."""

import pytest

from gateway.cli.supervise.stubs import GRACE_S, ILL_S, Stub, Stubs


def command(model: str) -> str:
    """As Triton starts it."""
    return f"/backends/python/triton_python_backend_stub /models/{model}/1/model.py triton_1_shm 67108864"


@pytest.fixture
def stubs() -> Stubs:
    """With the process 1 of the model `llm`, beside Triton's own."""
    stubs = Stubs()
    stubs.remember({1: command("llm"), 2: "tritonserver --model-repository=/models"}, ())
    return stubs


def dead(pid: int) -> bool:
    return False


def test_a_loaded_model_that_has_lost_its_process_is_told(stubs: Stubs):
    """After a moment, in which Triton could have said that it has unloaded it."""
    assert stubs.lost(10.0, {"llm"}, lambda pid: True) is None
    assert stubs.lost(10.0, {"llm"}, dead) is None
    assert stubs.lost(10.0 + GRACE_S, {"llm"}, dead) == Stub(1, "llm")


def test_a_model_that_is_not_loaded_may_end_its_process(stubs: Stubs):
    """Whether it was unloaded, or could not be loaded; a load afterwards has another process."""
    assert stubs.lost(10.0, set(), dead) is None
    assert stubs.lost(10.0 + GRACE_S, {"llm"}, dead) is None


def test_a_model_that_triton_has_unloaded_may_end_its_process(stubs: Stubs):
    """It may be loaded anew meanwhile."""
    stubs.forget(None)
    stubs.lost(10.0, {"llm"}, dead)
    stubs.forget("llm")
    assert stubs.lost(10.0 + GRACE_S, {"llm"}, dead) is None


def test_the_process_of_a_load_that_fails_may_end(stubs: Stubs):
    """While the one of the model that was loaded before goes on, and is watched."""
    stubs.remember({1: command("llm"), 3: command("llm")}, ["llm"])
    for now in (10.0, 10.0 + GRACE_S):
        assert stubs.lost(now, {"llm"}, lambda pid: pid != 3) is None
    stubs.lost(20.0, {"llm"}, dead)
    assert stubs.lost(20.0 + GRACE_S, {"llm"}, dead) == Stub(1, "llm")


SAID = "WARNING gateway.triton.client [-] stream at unix:/t failed: Stub process 'new_0_0' is not healthy."


def test_process_that_died_unseen_is_told_by_tritons_answers(stubs: Stubs):
    """With the model's first request, before anybody looked; said for some seconds, for once may be a busy machine."""
    stubs.heed(SAID, 10.0)
    stubs.heed("INFO gateway: something else", 11.0)
    assert stubs.lost(11.0, {"new", "llm"}, lambda pid: True) is None
    for second in range(12, 10 + int(ILL_S) + 1):
        stubs.heed(SAID, float(second))
    assert stubs.lost(20.0, {"llm"}, lambda pid: True) is None
    assert stubs.lost(20.0, {"new", "llm"}, lambda pid: True) == Stub(None, "new")


def test_process_that_was_ill_once_in_a_while_goes_on(stubs: Stubs):
    """Nor does it matter after an unload."""
    for moment in (10.0, 10.0 + ILL_S, 10.0 + 2 * ILL_S):
        stubs.heed(SAID, moment)
    assert stubs.lost(30.0, {"new"}, lambda pid: True) is None
    stubs.heed(SAID, 21.0)
    stubs.heed(SAID, 25.0)
    stubs.forget("new")
    assert stubs.lost(30.0, {"new"}, lambda pid: True) is None
