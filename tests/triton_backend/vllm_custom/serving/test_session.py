"""Session travel in the backend: many requests, one response per engine step, and how a session ends."""

from __future__ import annotations

import asyncio
import threading

import pytest
from vllm_custom.contract import tensors
from vllm_custom.errors import Cancelled
from vllm_custom.metrics.meter import Meter
from vllm_custom.metrics.names import REQUESTS
from vllm_custom.serving.outbox import Channel, Outbox
from vllm_custom.serving.request_metrics import RequestMetrics
from vllm_custom.serving.session import HEARTBEAT_PERIOD, SILENCE_LIMIT, Sessions

from tests.fakes.triton_python_backend import InferenceRequest, ResponseSender

SID = "5e5510000000000000000000000000ff"
HELD = {"prompt": "hold", "text": "ab", "token_seconds": 3600}
COUNT = {"prompt": "count", "text": "one two three"}


class Client:
    """The gateway's side of one session: `frames` checks the numbers and gives the records after them."""

    def __init__(self, backend, *, sid=SID, sender=None, versions=(1,)):
        self.backend = backend
        self.sid = sid
        self.sender = backend.send(
            InferenceRequest(
                {"v": 1, "op": "session", "rid": sid, "versions": list(versions)}, sender=sender or ResponseSender()
            )
        )

    def generate(self, rid, prompt="count", **body):
        return self.backend.ask(
            "generate", rid=rid, session=self.sid, api="chat", prompt=prompt, body={"stream": True, **body}
        )

    def send(self, op):
        return self.backend.ask(op, rid=self.sid)

    def abort(self, target):
        return self.backend.ask("abort", target=target, session=self.sid)

    def frames(self):
        responses = self.sender.sent()
        for number, records in enumerate(responses):
            assert records[0] == [self.sid, "frame", None, number]
        return [records[1:] for records in responses]

    def records(self, rid):
        return [record for frame in self.frames() for record in frame if record[0] == rid]

    def wait_for(self, rid, kind, timeout=10.0):
        """The first record of this kind of one request."""
        return self.sender.wait_for(kind, timeout, rid=rid)


def text_of(records):
    return "".join(record[3] for record in records if record[1] == "delta")


def test_session_opens_with_its_version(start):
    """The first frame says which version was chosen, and the request stays unanswered."""
    client = Client(start())
    assert client.wait_for(SID, "session")[3] == {"version": 1}
    assert client.frames() == [[[SID, "session", None, {"version": 1}]]]
    assert client.sender.finals == 0


def test_answer_is_that_of_direct_travel(start):
    """The records of one request are the same in both ways, but for how its deltas were cut."""
    backend = start(COUNT)
    direct = backend.generate("count", rid="same", stream=True).finish()
    client = Client(backend)
    own = client.generate("same")
    client.wait_for("same", "end")
    travelled = client.records("same")
    assert text_of(travelled) == text_of(direct)
    assert travelled[0] == direct[0]
    assert travelled[-1] == direct[-1]
    assert own.finish() == []


def test_own_response_is_bare_and_final(start):
    """A request of a session is answered for itself with nothing, at once, while it runs on."""
    backend = start(HELD)
    client = Client(backend)
    own = client.generate("a", "hold")
    assert own.finish() == []
    client.wait_for("a", "delta")
    assert client.abort("a").finish() == []
    client.wait_for("a", "error")


def test_one_step_is_one_frame(start):
    """What the same turn of the engine makes for all requests leaves in one response."""
    backend = start({"text": "x" * 50, "token_seconds": 0.002})
    client = Client(backend)
    rids = [f"r-{number}" for number in range(32)]
    for rid in rids:
        client.generate(rid)
    for rid in rids:
        client.wait_for(rid, "end")
    deltas = sum(record[1] == "delta" for frame in client.frames() for record in frame)
    assert deltas > 2 * len(client.frames())
    assert all(text_of(client.records(rid)) == "x" * 50 for rid in rids)


def test_held_send_joins_deltas(start):
    """While a send is under way deltas of one request gather and are joined; none is lost, and the numbers stay whole."""
    blocked, release = threading.Event(), threading.Event()

    def hold_the_second(count):
        if count == 1:
            blocked.set()
            assert release.wait(10)

    backend = start({"text": "x" * 200})
    client = Client(backend, sender=ResponseSender(hold_the_second))
    client.wait_for(SID, "session")
    client.generate("a")
    assert blocked.wait(10)
    backend.wait_until_done()
    release.set()
    client.wait_for("a", "end")
    deltas = [record for record in client.records("a") if record[1] == "delta"]
    assert sum(delta[4] for delta in deltas) == 200
    assert len(deltas) <= 2


def test_bad_request_travels_by_the_session(start):
    """What is wrong with a request is said where its answer would have been; its own response is bare."""
    client = Client(start())
    own = client.generate("a", frob=1)
    assert client.wait_for("a", "error")[3] == "bad_request"
    assert own.finish() == []


def test_duplicate_rid_leaves_the_first_alone(start):
    """The second request with the rid of a running one of the session is dropped."""
    backend = start(HELD)
    client = Client(backend)
    client.generate("a", "hold")
    client.wait_for("a", "delta")
    assert client.generate("a", "hold").finish() == []
    assert backend.stats()["running"] == 1
    client.abort("a")
    client.wait_for("a", "error")
    assert [record[1] for record in client.records("a")] == ["accepted", "delta", "error"]


def test_abort_before_its_generate_is_remembered(start):
    """An abort that was faster ends the request when it comes."""
    client = Client(start(COUNT))
    client.abort("late")
    client.generate("late")
    assert client.wait_for("late", "error")[3] == "cancelled"


def test_abort_of_a_finished_request_changes_nothing(start):
    """No second terminal record."""
    client = Client(start(COUNT))
    client.generate("a")
    client.wait_for("a", "end")
    client.abort("a").finish()
    client.generate("b")
    client.wait_for("b", "end")
    assert [record[1] for record in client.records("a")].count("end") == 1
    assert "error" not in [record[1] for record in client.records("a")]


def test_aborts_racing_with_ends_leave_one_terminal_each(start):
    """However an abort and the natural end interleave."""
    backend = start({"text": "x" * 20, "token_seconds": 0.0005})
    client = Client(backend)
    rids = [f"race-{number}" for number in range(48)]
    for rid in rids:
        client.generate(rid)
    for rid in rids[::2]:
        client.abort(rid)
    backend.wait_until_idle()
    client.generate("last")
    client.wait_for("last", "end")
    for rid in rids:
        kinds = [record[1] for record in client.records(rid)]
        assert kinds.count("end") + kinds.count("error") == 1
        assert kinds[-1] in ("end", "error", "result")


def test_client_gone_aborts_everything(start):
    """When the call has ended, the session ends finally and the engine works on nothing."""
    backend = start(HELD)
    client = Client(backend)
    for number in range(8):
        client.generate(f"r-{number}", "hold")
    client.wait_for("r-7", "delta")
    client.sender.cancelled = True
    assert client.sender.finish()[-1][1:4] == ["error", None, "cancelled"]
    backend.wait_until_idle()
    assert backend.model.instance.unfinished == 0


def test_requests_of_a_session_are_not_polled(start):
    """Triton is asked about the session, not about each request in it."""
    client = Client(start(HELD))
    own = client.generate("a", "hold")
    client.wait_for("a", "delta")
    client.sender.polled.clear()
    assert client.sender.polled.wait(10)
    assert own.polls == 0


def test_failed_send_breaks_the_session(start):
    """A response that cannot be sent ends the session and everything in it."""

    def fail_the_second(count):
        if count == 1:
            raise RuntimeError("shared memory is full")

    backend = start(HELD)
    client = Client(backend, sender=ResponseSender(fail_the_second))
    client.wait_for(SID, "session")
    client.generate("a", "hold")
    idle_after = client.sender
    assert idle_after.done.wait(10) or not idle_after.violations
    backend.wait_until_idle()
    assert backend.ask("ping", rid=SID).finish()[0][3] == "unavailable"


def test_close_waits_for_what_runs(start):
    """A closing session takes nothing new and ends with its last request."""
    backend = start(HELD)
    client = Client(backend)
    client.generate("a", "hold")
    client.wait_for("a", "delta")
    client.send("close").finish()
    client.generate("b", "hold")
    assert client.wait_for("b", "error")[3] == "unavailable"
    assert not client.sender.done.is_set()
    client.abort("a")
    assert client.sender.finish()[-1] == [SID, "result", None, {"closed": True}]


def test_close_of_an_empty_session_is_at_once(start):
    """Nothing to wait for."""
    client = Client(start())
    client.send("close")
    assert client.sender.finish()[-1] == [SID, "result", None, {"closed": True}]


def test_server_stopping_ends_sessions(start):
    """The client learns that the server goes, in the last response."""
    backend = start(HELD)
    client = Client(backend)
    client.generate("a", "hold")
    client.wait_for("a", "delta")
    backend.model.finalize()
    assert client.sender.finish()[-1][1:4] == ["error", None, "unavailable"]


@pytest.mark.parametrize(
    ("end", "outcome"),
    [
        (lambda client: client.abort("a"), "cancelled"),
        (lambda client: setattr(client.sender, "cancelled", True), "cancelled"),
        (lambda client: client.backend.model.finalize(), "unavailable"),
    ],
    ids=["aborted", "client gone", "server stopping"],
)
def test_requests_are_counted_as_what_ended_them(serve, end, outcome):
    """A server that stops is not the client's doing, in the metrics either."""
    meter = Meter()
    client = Client(serve(HELD, request_metrics=RequestMetrics(meter)))
    client.generate("a", "hold")
    client.wait_for("a", "delta")
    end(client)
    client.backend.wait_until_done()
    counted = [change.series.labels for change in meter.take() if change.series.name == REQUESTS.name]
    assert counted == [(("outcome", outcome),)]


def test_two_sessions_do_not_mix(start):
    """Each gateway worker hears only of its own requests."""
    backend = start(COUNT)
    one, two = Client(backend, sid="one"), Client(backend, sid="two")
    one.generate("a")
    two.generate("b")
    one.wait_for("a", "end")
    two.wait_for("b", "end")
    assert one.records("b") == two.records("a") == []


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def sessions():
    """Sessions that live by a clock which the test moves, over an outbox that sends; checked only by the test."""
    clock, outbox = Clock(), Outbox(tensors.send)
    outbox.start()
    yield clock, Sessions(outbox, clock=clock)
    assert outbox.stop(5)


def test_quiet_session_sends_heartbeats(sessions):
    """An empty frame after so long without another, and only one."""
    clock, sessions = sessions
    sender = ResponseSender()
    session = sessions.open(SID, (1,), Channel(sender))
    sender.wait_for("session")
    clock.now = HEARTBEAT_PERIOD
    session.check()
    assert sender.wait_until(lambda responses: len(responses) == 2)
    assert sender.sent()[1] == [[SID, "frame", None, 1]]
    session.check()
    session.end(Cancelled("over"))
    assert [len(records) for records in sender.finish() and sender.sent()] == [2, 1, 2]


def test_session_lives_by_its_pings(sessions):
    """It ends only when none has come for longer than the limit, also while it has something to say."""
    clock, sessions = sessions
    sender = ResponseSender()
    session = sessions.open(SID, (1,), Channel(sender))
    clock.now = SILENCE_LIMIT
    session.touch()
    session.post([["a", "delta", 0, "x", 1, None]], final=False)
    clock.now += SILENCE_LIMIT
    session.check()
    assert not sender.done.is_set()
    clock.now += 0.1
    session.check()
    assert sender.finish()[-1][1:4] == ["error", None, "cancelled"]


def test_session_without_pings_ends(serve):
    """The gateway's machine may be gone without a word: its requests are aborted."""
    clock = Clock()
    backend = serve(HELD, clock=clock)
    client = Client(backend)
    client.generate("a", "hold")
    client.wait_for("a", "delta")
    clock.now = SILENCE_LIMIT
    client.send("ping").finish()
    clock.now += SILENCE_LIMIT + 0.1
    assert client.sender.finish()[-1][1:4] == ["error", None, "cancelled"]
    backend.wait_until_idle()


def test_thread_checks_the_sessions(serve):
    """A session that is quiet gets its empty frame though nobody asks for it."""
    clock = Clock()
    client = Client(serve(clock=clock))
    client.wait_for(SID, "session")
    clock.now = HEARTBEAT_PERIOD
    assert client.sender.wait_until(lambda responses: len(responses) > 1)


def test_deadline_counts_in_a_session(start):
    """As in direct travel: the request ends with its `timeout`, and the session lives on."""
    backend = start(HELD, COUNT)
    client = Client(backend)
    keys = {"api": "chat", "prompt": "hold", "body": {"stream": True}}
    backend.ask("generate", rid="late", session=SID, timeout_ms=50, **keys)
    assert client.wait_for("late", "error")[3] == "timeout"
    client.generate("a")
    client.wait_for("a", "end")


def test_drain_is_for_sessions_too(start):
    """It waits for what runs in a session, and what comes afterwards by one is refused."""
    backend = start(HELD, vllm_custom={"control": ["drain"]})
    client = Client(backend)
    client.generate("a", "hold")
    client.wait_for("a", "delta")
    drain = backend.ask("drain", rid="d")
    client.generate("b", "hold")
    assert client.wait_for("b", "error")[3] == "unavailable"
    client.abort("a")
    assert drain.finish()[-1][3] == {"drained": True, "unfinished": 0}
    assert client.wait_for("a", "error")[3] == "cancelled"


def test_session_outlives_its_engine(start):
    """A dead engine's requests are told by their session, which carries those of the next engine."""
    settings = {"check_seconds": 0.01, "backoff_seconds": 0.01}
    backend = start({"prompt": "die", "text": "ab", "die_at": 1}, HELD, COUNT, vllm_custom=settings)
    client = Client(backend)
    client.generate("a", "hold")
    client.wait_for("a", "delta")
    client.generate("b", "die")
    for rid in ("a", "b"):
        assert client.wait_for(rid, "error")[3] == "unavailable"
    while backend.stats()["state"] != "serving" or not backend.stats()["restarts"]:
        pass
    client.generate("c")
    client.wait_for("c", "end")
    client.frames()


def test_what_waits_for_a_callback_is_sent_by_a_flush(sessions):
    """The loop that was to queue a session may have ended: without this its records would wait for ever."""
    _, sessions = sessions
    sender = ResponseSender()
    session = sessions.open(SID, (1,), Channel(sender))
    sender.wait_for("session")

    async def post():
        session.post([["x", "delta", 0, "a", 1, None]], final=False)

    # The loop ends with the coroutine, before the callback that it scheduled.
    loop = asyncio.new_event_loop()
    loop.run_until_complete(post())
    loop.close()
    sessions.flush()
    sender.wait_for("delta", rid="x")
    session.end(Cancelled("over"))
    sender.finish()
