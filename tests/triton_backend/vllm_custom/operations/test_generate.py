"""Whole requests through model.py, the replay engine and the outbox."""

from __future__ import annotations

import numpy as np
import pytest

from tests.fakes.triton_python_backend import InferenceRequest, Tensor

SCRIPT = {"prompt": "count", "text": "one two three"}
HELD = {"prompt": "wait", "text": "ab", "token_seconds": 3600}


def kinds(records):
    return [record[1] for record in records]


def text_of(records, choice=0):
    return "".join(record[3] for record in records if record[1] == "delta" and record[2] == choice)


def usage_of(records):
    return records[-1][5]


def test_streamed_text_arrives_whole(start):
    """A stream is accepted, tells its text in deltas, and ends once with the usage."""
    records = start(SCRIPT).generate("count please", stream=True).finish()
    assert kinds(records)[0] == "accepted"
    assert text_of(records) == "one two three"
    assert records[-1][1:5] == ["end", 0, "stop", None]
    assert usage_of(records) == {"prompt_tokens": 12, "completion_tokens": 13, "cached_tokens": 0}


def test_whole_answer_says_the_same_as_the_stream(start):
    """Without `stream` there is one delta for a choice, of the same text, counts and end."""
    backend = start(SCRIPT)
    streamed = backend.generate("count", stream=True).finish()
    whole = backend.generate("count").finish()
    assert kinds(whole) == ["accepted", "delta", "end"]
    assert text_of(whole) == text_of(streamed)
    assert whole[-1][2:] == streamed[-1][2:]


def test_only_the_last_choice_carries_the_usage(start):
    """With n choices there are n ends, and the usage of all of them stands in the last."""
    records = start({"text": ["a", "bbb"]}).generate(n=2, stream=True).finish()
    ends = [record for record in records if record[1] == "end"]
    assert [end[2] for end in ends] == [0, 1]
    assert [end[5] is None for end in ends] == [True, False]
    assert ends[1][5]["completion_tokens"] == 4
    assert (text_of(records, 0), text_of(records, 1)) == ("a", "bbb")


@pytest.mark.parametrize("stream", [True, False])
def test_max_tokens_ends_with_length(start, stream):
    """What max_tokens cuts off is reported as `length`."""
    records = start(SCRIPT).generate("count", stream=stream, max_tokens=3).finish()
    assert text_of(records) == "one"
    assert records[-1][3] == "length"


def test_completions_default_to_sixteen_tokens(start):
    """The completions API without max_tokens says sixteen tokens, the chat API all of them."""
    backend = start({"text": "x" * 40})
    keys = {"api": "completions", "prompt": "p", "body": {}}
    assert usage_of(backend.ask("generate", **keys).finish())["completion_tokens"] == 16
    assert usage_of(backend.generate().finish())["completion_tokens"] == 40


def test_stop_string_is_cut_and_named(start):
    """The text ends before the stop string, which is the stop reason; the token that completed it counts."""
    records = start(SCRIPT).generate("count", stop=["two", "zzz"], stream=True).finish()
    assert text_of(records) == "one "
    assert records[-1][3:5] == ["stop", "two"]
    assert usage_of(records)["completion_tokens"] == 7


def test_logprobs_and_token_ids_ride_with_the_deltas(start):
    """Every token has its entry, whether deltas were joined on the way or not."""
    entry = {"text": "abc", "logprobs": [-0.5, -1.5]}
    records = start(entry).generate(logprobs=True, top_logprobs=2, return_token_ids=True, stream=True).finish()
    extras = [record[5] for record in records if record[1] == "delta"]
    entries = [entry for extra in extras for entry in extra["logprobs"]]
    assert [entry[1] for entry in entries] == ["a", "b", "c"]
    assert [entry[2] for entry in entries] == [-0.5, -1.5, -0.5]
    assert all(len(entry[3]) == 2 for entry in entries)
    assert [token for extra in extras for token in extra["token_ids"]] == [entry[0] for entry in entries]


def test_seed_chooses_among_scripted_texts(start):
    """The same seed gives the same text."""
    backend = start({"text": ["zero", "one", "two"]})
    texts = [text_of(backend.generate(seed=seed).finish()) for seed in (1, 1, 2)]
    assert texts == ["one", "one", "two"]


def test_script_tells_requests_of_one_prompt_apart(start):
    """By what stands in their bodies: an entry plays where all of its values do."""
    backend = start({"body": {"seed": 1, "max_tokens": 9}, "text": "both"}, {"body": {"seed": 1}, "text": "seeded"})
    bodies = [{"seed": 1, "max_tokens": 9}, {"seed": 1}, {"max_tokens": 9}]
    texts = [text_of(backend.generate(**body).finish()) for body in bodies]
    assert texts[:2] == ["both", "seeded"]
    assert texts[2] not in texts[:2]


def test_token_ids_are_a_prompt(start):
    """A tokenised prompt is counted as it came."""
    backend = start()
    sender = backend.ask("generate", api="chat", body={"max_tokens": 1}, token_ids=[5, 6, 7])
    assert sender.finish()[0][3] == {"prompt_tokens": 3}


def test_characters_of_several_tokens_are_whole(start):
    """No delta ends inside a character."""
    records = start({"text": "né 🎉!"}).generate(stream=True).finish()
    assert text_of(records) == "né 🎉!"
    assert usage_of(records)["completion_tokens"] == len("né 🎉!".encode())


def test_slow_reader_gets_joined_deltas(start):
    """What gathers while a send is under way goes in one response, joined."""
    import threading

    from tests.fakes.triton_python_backend import ResponseSender

    backend = start({"text": "x" * 200})
    blocked, release = threading.Event(), threading.Event()

    def hold_the_first(count):
        if count == 0:
            blocked.set()
            assert release.wait(10)

    sender = backend.generate(stream=True, sender=ResponseSender(hold_the_first))
    assert blocked.wait(10)
    backend.wait_until_done()
    release.set()
    records = sender.finish()
    deltas = [record for record in records if record[1] == "delta"]
    # The response that was held up may have taken the first tokens along with `accepted`; all later ones went together.
    assert len(deltas) <= 2
    assert sum(delta[4] for delta in deltas) == 200
    assert kinds(records)[0] == "accepted"
    assert kinds(records)[-1] == "end"


def test_scripted_refusal_comes_instead_of_accepted(start):
    """A request that the engine refuses has one record, its error."""
    entry = {"refuse": {"type": "overloaded", "message": "full"}}
    assert start(entry).generate().finish() == [["r1", "error", None, "overloaded", None, None, "full"]]


@pytest.mark.parametrize("at", [0, 2])
def test_failure_while_running_is_the_last_record(start, at):
    """An engine fault at any token ends the request with one error behind what was said."""
    entry = {"text": "abcd", "fail": {"type": "internal", "message": "broken"}, "fail_at": at}
    records = start(entry).generate(stream=True).finish()
    assert text_of(records) == "abcd"[:at]
    assert records[-1][3:] == ["internal", None, None, "broken"]


@pytest.mark.parametrize("reason", ["abort", "error", "repetition"])
def test_other_finish_reasons_are_errors(start, reason):
    """A client never sees a finish reason that OpenAI does not have."""
    records = start({"text": "ab", "finish_reason": reason}).generate().finish()
    assert records[-1][1] == "error"
    assert records[-1][3] == ("cancelled" if reason == "abort" else "internal")


def test_dying_engine_ends_everyone_once(start):
    """When the engine dies, running requests and all later ones get `unavailable`."""
    backend = start({"prompt": "die", "text": "abc", "die_at": 1}, HELD)
    waiting = backend.generate("wait", stream=True)
    waiting.wait_for("delta")
    assert backend.generate("die", stream=True).finish()[-1][3] == "unavailable"
    assert waiting.finish()[-1][3] == "unavailable"
    assert backend.generate().finish()[-1][3] == "unavailable"
    assert backend.stats()["alive"] is False


def test_prompt_too_long_has_openai_code(start):
    """A prompt that fills the context is refused with the code that OpenAI's clients know."""
    records = start(max_model_len=8).generate("x" * 8).finish()
    assert records[-1][3:5] == ["bad_request", "context_length_exceeded"]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": True}, "max_tokens"),
        ({"n": "2"}, "n"),
        ({"stop": 5}, "stop"),
        ({"stream": "yes"}, "stream"),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
        ({"frob": 1}, "frob"),
        ({"tools": [{}]}, "tools"),
    ],
)
def test_bad_field_is_named(start, body, param):
    """A field that cannot be honoured is a bad request that names it."""
    error = start().generate(**body).finish()[-1]
    assert error[3] == "bad_request"
    assert error[5] == param


@pytest.mark.parametrize(
    ("body", "alternatives"),
    [({"prompt_logprobs": 2}, 2), ({"prompt_logprobs": 0}, 0), ({"echo": True, "logprobs": 1}, 1)],
)
@pytest.mark.parametrize("stream", [True, False])
def test_prompt_logprobs_are_sent_once(start, body, alternatives, stream):
    """Before any delta: nothing for its first token, then a token a place with as many alternatives as were asked for."""
    backend = start({"text": "xy", "logprobs": [-1.5]})
    body = {"stream": stream, "n": 2, **body}
    records = backend.ask("generate", api="completions", prompt="abc", body=body).finish()
    assert [record[1] for record in records[:2]] == ["accepted", "prompt"]
    first, *others = records[1][3]["logprobs"]
    assert first is None
    assert [(token[1], token[2], len(token[3])) for token in others] == [(c, -1.5, alternatives) for c in "bc"]
    assert [record[1] for record in records].count("prompt") == 1


def test_prompt_logprobs_are_not_sent_unasked(start):
    """`echo` alone asks for no log probabilities; the text is the client's own."""
    asked = start({"text": "x"}).ask("generate", api="completions", prompt="abc", body={"echo": True})
    assert [record[1] for record in asked.finish()] == ["accepted", "delta", "end"]


def only_error(sender):
    (record,) = sender.finish()
    assert record[1] == "error"
    return record


@pytest.mark.parametrize("token_ids", [[], [[1, 2]], [-1, 2]])
def test_bad_token_ids_are_refused(start, token_ids):
    """Token ids are one row, not empty, not negative."""
    assert only_error(start().ask("generate", api="chat", token_ids=token_ids))[5] == "token_ids"


def test_both_prompts_are_refused(start):
    """Text and token ids together leave open which is meant."""
    sender = start().ask("generate", api="chat", prompt="p", token_ids=[1])
    assert only_error(sender)[5] == "prompt"


def test_media_is_refused(start):
    """A text model says that it takes no images."""
    envelope = {"v": 1, "op": "generate", "rid": "a", "api": "chat", "prompt": "p"}
    media = Tensor("media", np.array([b"png"], dtype=np.object_))
    assert only_error(start().send(InferenceRequest(envelope, tensors=[media])))[5] == "media"
