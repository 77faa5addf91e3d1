"""The outbox: order, joining, and one final response."""

from __future__ import annotations

import gc
import threading
import weakref

from vllm_custom.contract import tensors
from vllm_custom.serving.outbox import Channel, Outbox

from tests.fakes.triton_python_backend import ResponseSender


def delta(text):
    return ["r", "delta", 0, text, 1, None]


class Gate:
    """A send that waits at its first call."""

    def __init__(self):
        self.entered, self.open = threading.Event(), threading.Event()

    def __call__(self, count):
        if count == 0:
            self.entered.set()
            assert self.open.wait(10)


def running_outbox():
    outbox = Outbox(tensors.send)
    outbox.start()
    return outbox


def test_idle_outbox_sends_each_record_by_itself():
    """Nothing waits for company: a record that comes alone goes alone."""
    outbox, sender = running_outbox(), ResponseSender()
    channel = Channel(sender)
    for text in "abc":
        outbox.post(channel, [delta(text)], final=False)
        while len(sender.responses) < "abc".index(text) + 1:
            pass
    outbox.post(channel, [["r", "end", 0]], final=True)
    assert [len(response) for response in sender.finish() and sender.responses] == [1, 1, 1, 1]
    assert outbox.stop(5)


def test_what_gathers_meanwhile_goes_together():
    """Records posted during a send share the next response, with their deltas joined and the final flag on it."""
    gate = Gate()
    outbox, sender = running_outbox(), ResponseSender(gate)
    channel = Channel(sender)
    outbox.post(channel, [delta("a")], final=False)
    assert gate.entered.wait(10)
    for text in "bcd":
        outbox.post(channel, [delta(text)], final=False)
    outbox.post(channel, [["r", "end", 0]], final=True)
    gate.open.set()
    assert sender.finish() == [delta("a"), ["r", "delta", 0, "bcd", 3, None], ["r", "end", 0]]
    assert len(sender.responses) == 2
    assert outbox.stop(5)


def test_long_file_does_not_hold_up_others():
    """Between two parts of a file another request's record gets its turn."""
    gate = Gate()
    outbox, file_sender, other = running_outbox(), ResponseSender(gate), ResponseSender()
    order = []
    file_sender.on_send = lambda count: (gate(count), order.append("file"))
    other.on_send = lambda count: order.append("other")
    file_channel = Channel(file_sender)
    parts = [["r", "part", None, "f", i, 1] for i in range(3)]
    outbox.post(file_channel, parts, final=False, blobs=[b"a", b"b", b"c"])
    outbox.post(file_channel, [["r", "result", None, {}]], final=True)
    assert gate.entered.wait(10)
    outbox.post(Channel(other), [["o", "result", None, {}]], final=True)
    gate.open.set()
    assert file_sender.finish() == [*parts, ["r", "result", None, {}]]
    assert file_sender.parts == [b"a", b"b", b"c", None]
    other.finish()
    assert order.index("other") < len(order) - 1
    assert outbox.stop(5)


def test_stop_sends_what_waits():
    """Records posted before the stop still go."""
    outbox, sender = running_outbox(), ResponseSender()
    outbox.post(Channel(sender), [["r", "result", None, {}]], final=True)
    assert outbox.stop(5)
    assert sender.finish() == [["r", "result", None, {}]]


def test_stop_gives_up_on_a_send_that_blocks():
    """A Triton that takes nothing any more does not hold the stop for ever."""
    gate = Gate()
    outbox = running_outbox()
    outbox.post(Channel(ResponseSender(gate)), [["r", "result", None, {}]], final=True)
    assert gate.entered.wait(10)
    assert not outbox.stop(0.05)
    gate.open.set()
    assert outbox.stop(5)


def test_record_that_is_not_json_ends_the_request():
    """A fault of ours in a record is still one final response."""
    outbox, sender = running_outbox(), ResponseSender()
    broken = threading.Event()
    channel = Channel(sender)
    channel.on_broken = broken.set
    outbox.post(channel, [["r", "delta", 0, float("nan"), 1, None]], final=False)
    assert sender.finish()[-1][3] == "internal"
    assert broken.wait(10)
    outbox.post(channel, [delta("late")], final=True)
    assert outbox.stop(5)
    assert len(sender.responses) == 1


def test_sender_is_let_go_with_the_final_response():
    """Triton's object must not outlive the request, and is not asked any more."""
    outbox, sender = running_outbox(), ResponseSender()
    channel, left = Channel(sender), weakref.ref(sender)
    outbox.post(channel, [["r", "result", None, {}]], final=True)
    sender.finish()
    assert outbox.stop(5)
    del sender
    gc.collect()
    assert left() is None
    assert channel.is_cancelled() is False


def test_concurrent_posts_keep_each_request_in_order():
    """Many threads posting to many requests: each request's text comes in its order, once."""
    outbox = running_outbox()
    senders = [ResponseSender() for _ in range(8)]

    def speak(sender):
        channel = Channel(sender)
        for number in range(200):
            outbox.post(channel, [delta(f"{number},")], final=False)
        outbox.post(channel, [["r", "end", 0]], final=True)

    threads = [threading.Thread(target=speak, args=(sender,)) for sender in senders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expected = "".join(f"{number}," for number in range(200))
    for sender in senders:
        assert "".join(record[3] for record in sender.finish() if record[1] == "delta") == expected
    assert outbox.stop(5)
