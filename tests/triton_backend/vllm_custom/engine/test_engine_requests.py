"""The way of a request through an engine."""

from __future__ import annotations

import asyncio

from vllm_custom.contract.generate import Generate
from vllm_custom.contract.plan import Plan
from vllm_custom.engine.engine_requests import EngineRequests
from vllm_custom.errors import BadRequest, Overloaded, Unavailable

REQUEST = Generate("r", "chat", {"n": 1}, "p", None)


class Sink:
    """Notes what it is given; `accepts` is its answer to `accepted`."""

    def __init__(self, *, accepts=True):
        self.accepts, self.calls = accepts, []

    def accepted(self, plan):
        self.calls.append("accepted")
        return self.accepts

    def step(self, output):
        self.calls.append(output)
        return True

    def failed(self, failure):
        self.calls.append(failure.type)
        return True


class Engine:
    """An opener whose generation gives two outputs, or fails, or is held at one of the two places."""

    plan = Plan(1, 1, None, False)

    def __init__(self, *, refuses=None, fails=None, abort_fails=None):
        self.refuses, self.fails, self.abort_fails = refuses, fails, abort_fails
        self.may_open, self.may_end = asyncio.Event(), asyncio.Event()
        self.may_open.set()
        self.may_end.set()
        self.aborted = 0

    async def open(self, request):
        await self.may_open.wait()
        if self.refuses is not None:
            raise self.refuses
        return self

    async def follow(self, step):
        step("one")
        await self.may_end.wait()
        if self.fails is not None:
            raise self.fails
        return step("two")

    async def abort(self):
        self.aborted += 1
        if self.abort_fails is not None:
            raise self.abort_fails


def run(engine, sink, during=None):
    async def main():
        requests = EngineRequests(engine)
        task = asyncio.ensure_future(requests.run(REQUEST, sink))
        if during is not None:
            await asyncio.sleep(0)
            assert requests.count == 1
            await during(requests)
        await asyncio.wait_for(task, 5)
        assert requests.count == 0

    asyncio.run(main())


def test_request_is_accepted_and_followed():
    """Nothing is aborted when it has finished."""
    engine, sink = Engine(), Sink()
    run(engine, sink)
    assert (sink.calls, engine.aborted) == (["accepted", "one", "two"], 0)


def test_refusal_is_the_only_call():
    """With a plain Python error taken for the client's, as it comes from a validator."""
    for refusal, type_ in ((Overloaded("full"), "overloaded"), (ValueError("n must be 1"), "bad_request")):
        sink = Sink()
        run(Engine(refuses=refusal), sink)
        assert sink.calls == [type_]


def test_failure_frees_the_engine():
    """The sink is told why, once."""
    engine, sink = Engine(fails=Unavailable("died")), Sink()
    run(engine, sink)
    assert (sink.calls, engine.aborted) == (["accepted", "one", "unavailable"], 1)


def test_sink_that_has_ended_frees_the_engine():
    """As when the client has gone while the engine was taking the request."""
    engine, sink = Engine(), Sink(accepts=False)
    run(engine, sink)
    assert (sink.calls, engine.aborted) == (["accepted"], 1)


def test_abort_ends_a_running_request():
    """The sink is told nothing more: it has ended before."""
    engine, sink = Engine(), Sink()
    engine.may_end.clear()
    run(engine, sink, lambda requests: requests.abort("r"))
    assert (sink.calls, engine.aborted) == (["accepted", "one"], 1)


def test_abort_does_not_interrupt_an_engine_that_takes_the_request():
    """It would keep the request for ever: the abort waits for `accepted`, which says no."""
    engine, sink = Engine(), Sink(accepts=False)
    engine.may_open.clear()

    async def abort(requests):
        await requests.abort("r")
        await requests.abort("unknown")
        engine.may_open.set()

    run(engine, sink, abort)
    assert (sink.calls, engine.aborted) == (["accepted"], 1)


def test_dead_engine_need_not_be_freed(caplog):
    """What else goes wrong when one is freed is logged, and ends nothing."""
    run(Engine(fails=Unavailable("died"), abort_fails=Unavailable("died")), Sink())
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
    run(Engine(fails=Unavailable("died"), abort_fails=RuntimeError("odd")), Sink())
    assert "could not be aborted" in caplog.text


def test_constraint_that_fails_in_the_engine_names_its_field():
    """Newer engines tell the client of a grammar that can't be compiled when the request is queued already."""
    failures = []

    class Keeps(Sink):
        def failed(self, failure):
            failures.append((failure.type, failure.param))
            return True

    async def main():
        request = Generate("r", "chat", {"response_format": {}}, "p", None)
        await EngineRequests(Engine(fails=BadRequest("Invalid structured outputs: x"))).run(request, Keeps())

    asyncio.run(main())
    assert failures == [("bad_request", "response_format")]
