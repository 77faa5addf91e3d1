"""Whole requests of NVIDIA's clients through model.py, the replay engine and the outbox."""

from __future__ import annotations

import json
import threading

import pytest
from vllm_custom.operations.official import OfficialReader

from tests.fakes.triton_python_backend import InferenceRequest, ResponseSender
from tests.triton_backend.vllm_custom.conftest import MODEL_PY, arguments

COUNT = {"prompt": "count", "text": "one two three", "logprobs": [-0.5, -1.5]}
PREFILLING = {"prompt": "prefill", "text": "ab", "prefill_seconds": 3600}
DECODING = {"prompt": "decode", "text": "ab", "token_seconds": 3600}
ALL = {
    "return_finish_reason": True, "return_cumulative_logprob": True, "return_logprobs": True,
    "return_num_input_tokens": True, "return_num_output_tokens": True,
}  # fmt: skip


@pytest.fixture
def ask(start, official):
    """Start the backend with a script and send one official request."""

    def asked(*script, prompt="count", **inputs):
        return start(*script).send(official(prompt, **inputs))

    return asked


def texts(outputs, choice=0):
    return b"".join(output["text_output"][choice] for output in outputs)


def test_answer_is_one_response_with_the_prompt_before_it(ask):
    """The default of the official backend: not streamed, sixteen tokens, and nothing but the text."""
    assert ask({"text": "x" * 40}, prompt="say: ").finish_outputs() == [{"text_output": [b"say: " + b"x" * 16]}]


def test_prompt_is_left_out_on_request(ask):
    """`exclude_input_in_output`."""
    assert ask(COUNT, exclude_input_in_output=True).finish_outputs() == [{"text_output": [b"one two three"]}]


def test_stream_says_the_same_without_the_prompt(ask):
    """The responses' texts together are the answer, and none comes without a new token."""
    outputs = ask(COUNT, stream=True, return_num_output_tokens=True).finish_outputs()
    assert texts(outputs) == b"one two three"
    assert all(output["num_output_tokens"][0] > 0 for output in outputs)
    assert sum(output["num_output_tokens"][0] for output in outputs) == 13


def test_idle_server_sends_a_token_a_response(start, official):
    """Each step of the engine makes a response of its own while nothing holds the sender up."""
    backend = start({"text": "abc", "token_seconds": 0.2})
    outputs = backend.send(official("p", stream=True, return_num_output_tokens=True)).finish_outputs()
    assert [output["text_output"] for output in outputs] == [[b"a"], [b"b"], [b"c"]]
    assert [output["num_output_tokens"] for output in outputs] == [[1], [1], [1]]


def test_all_additional_outputs_are_on_every_response(start, official):
    """With the shapes that config.pbtxt declares, and what each of them means."""
    backend = start({**COUNT, "token_seconds": 0.01})
    request = official("count", stream=True, sampling={"logprobs": 1, "max_tokens": 3}, **ALL)
    outputs = backend.send(request).finish_outputs()
    assert [output["finish_reason"][0] for output in outputs][:-1] == [b"None"] * (len(outputs) - 1)
    assert outputs[-1]["finish_reason"] == [b"length"]
    assert {tuple(output["num_input_tokens"]) for output in outputs} == {(5,)}
    assert outputs[-1]["cumulative_logprob"] == [-2.5]
    tokens = [token for output in outputs for token in json.loads(output["logprobs"][0])]
    assert [[value["decoded_token"] for value in token.values()] for token in tokens] == [["o"], ["n"], ["e"]]
    assert [next(iter(token.values())) for token in tokens][1] == {"logprob": -1.5, "rank": 1, "decoded_token": "n"}


def test_whole_answer_has_the_same_outputs(ask):
    """Once, for the whole text."""
    (output,) = ask(COUNT, sampling={"logprobs": 1}, **ALL).finish_outputs()
    assert output["finish_reason"] == [b"stop"]
    assert output["num_output_tokens"] == [13]
    assert output["cumulative_logprob"] == [-0.5 * 7 - 1.5 * 6]
    assert len(json.loads(output["logprobs"][0])) == 13


def test_log_probabilities_that_were_not_asked_for_are_null(ask):
    """`return_logprobs` alone computes none; the official backend says `null`."""
    (output,) = ask(COUNT, return_logprobs=True, return_cumulative_logprob=True).finish_outputs()
    assert output["logprobs"] == [b"null"]
    assert output["cumulative_logprob"] == [-12.5]


@pytest.mark.parametrize("stream", [True, False])
def test_choices_are_kept_apart(start, official, stream):
    """With n choices every response has n elements, in order; a finished choice keeps its reason and says no more."""
    backend = start({"text": ["a", "bcd"], "token_seconds": 0.02})
    request = official("p", stream=stream, exclude_input_in_output=True, sampling={"n": "2"}, **ALL)
    outputs = backend.send(request).finish_outputs()
    assert (texts(outputs, 0), texts(outputs, 1)) == (b"a", b"bcd")
    assert all(len(values) == 2 for output in outputs for name, values in output.items() if name != "num_input_tokens")
    assert outputs[-1]["finish_reason"] == [b"stop", b"stop"]
    assert [sum(output["num_output_tokens"][choice] for output in outputs) for choice in (0, 1)] == [1, 3]
    if stream:
        assert [output["finish_reason"][1] for output in outputs] == [b"None"] * (len(outputs) - 1) + [b"stop"]


def test_prompt_is_before_every_choice(ask):
    """As with the official backend."""
    (output,) = ask({"text": ["a", "b"]}, prompt="p:", sampling={"n": 2}).finish_outputs()
    assert output["text_output"] == [b"p:a", b"p:b"]


def test_request_parameters_are_sampling_parameters(ask):
    """Where no tensor carries them, as strings or not."""
    parameters = json.dumps({"max_tokens": "3", "ignore_eos": "false", "seed": 0})
    assert texts(ask(COUNT, exclude_input_in_output=True, parameters=parameters).finish_outputs()) == b"one"


def test_stop_string_ends_the_text(ask):
    """Given as a text, as request parameters have it."""
    (output,) = ask(COUNT, sampling={"stop": "two"}, exclude_input_in_output=True).finish_outputs()
    assert output["text_output"] == [b"one "]


def test_slow_reader_gets_joined_tokens(start, official):
    """What gathers while a send is under way goes in one response, with its counts and log probabilities joined."""
    backend = start({"text": "x" * 200, "logprobs": [-1.0]})
    blocked, release = threading.Event(), threading.Event()

    def hold_the_first(count):
        if count == 0:
            blocked.set()
            assert release.wait(10)

    sampling = {"max_tokens": 200, "logprobs": 0}
    sender = backend.send(official("p", stream=True, sampling=sampling, sender=ResponseSender(hold_the_first), **ALL))
    assert blocked.wait(10)
    backend.wait_until_done()
    release.set()
    outputs = sender.finish_outputs()
    assert len(outputs) <= 2
    assert texts(outputs) == b"x" * 200
    assert sum(len(json.loads(output["logprobs"][0])) for output in outputs) == 200
    assert outputs[-1]["cumulative_logprob"] == [-200.0]


@pytest.mark.parametrize(
    ("inputs", "code", "message"),
    [
        (
            {"stream": True, "exclude_input_in_output": False},
            "INVALID_ARG",
            "Error generating stream: When streaming, `exclude_input_in_output` = False is not allowed.",
        ),
        (
            {"sampling": {"frob": 1}},
            "INVALID_ARG",
            "Error generating stream: sampling_parameters: 'frob' is not a sampling parameter of this engine",
        ),
        ({"sampling": {"n": 0}}, "INVALID_ARG", "Error generating stream: n must be from 1 to 128, got 0."),
        (
            {"embedding_request": '{"input": "a"}'},
            "INVALID_ARG",
            "Error generating stream: Model toy does not support 'embed' request",
        ),
        ({"sampling": {"lora_name": "alpaca"}}, "INVALID_ARG", "LoRA feature is not enabled."),
    ],
)
def test_error_is_in_nvidias_words_with_a_code_of_its_own(ask, inputs, code, message):
    """Texts that clients know, and Triton's codes instead of INTERNAL for everything."""
    assert ask(COUNT, **inputs).finish_error() == (code, message)


@pytest.mark.parametrize(
    ("type_", "code"),
    [
        ("bad_request", "INVALID_ARG"),
        ("not_found", "NOT_FOUND"),
        ("overloaded", "UNAVAILABLE"),
        ("unavailable", "UNAVAILABLE"),
        ("timeout", "UNAVAILABLE"),
        ("internal", "INTERNAL"),
    ],
)
def test_every_class_of_error_has_a_code(ask, type_, code):
    """The engine's refusals keep their class."""
    entry = {"refuse": {"type": type_, "message": "why"}}
    assert ask(entry).finish_error() == (code, "Error generating stream: why")


def test_failure_comes_after_what_was_said(ask):
    """Text that waits when the engine fails is sent before the error."""
    entry = {"text": "abcd", "fail": {"type": "internal", "message": "broken"}, "fail_at": 2}
    sender = ask(entry, stream=True)
    assert sender.finish_error() == ("INTERNAL", "Error generating stream: broken")
    assert texts(sender.outputs) == b"ab"


@pytest.mark.parametrize(
    ("reason", "code", "message"),
    [
        ("abort", "CANCELLED", "Request was cancelled"),
        ("error", "INTERNAL", "Error generating stream: the engine ended the request with finish_reason 'error'"),
    ],
)
def test_request_that_the_engine_gave_up_is_an_error(ask, reason, code, message):
    """Not an answer that looks complete."""
    assert ask({"text": "ab", "finish_reason": reason}).finish_error() == (code, message)


def test_finish_reasons_of_vllm_pass(ask):
    """The official backend hands on whatever vLLM says."""
    entry = {"text": "ab", "finish_reason": "repetition"}
    assert ask(entry, return_finish_reason=True).finish_outputs()[0]["finish_reason"] == [b"repetition"]


@pytest.mark.parametrize(("prompt", "stream"), [("prefill", True), ("prefill", False), ("decode", True)])
def test_client_leaving_ends_the_request(start, official, prompt, stream):
    """Queued, prefilling or decoding, by the same poller as native requests, in NVIDIA's words."""
    backend = start(PREFILLING, DECODING)
    sender = backend.send(official(prompt, stream=stream))
    if prompt == "decode":
        sender.wait_for_output()
    sender.cancelled = True
    assert sender.finish_error() == ("CANCELLED", "Request was cancelled")
    backend.wait_until_idle()


def test_server_stopping_ends_the_request(start, official):
    """With one error, whatever it waits for."""
    backend = start(PREFILLING)
    sender = backend.send(official("prefill", stream=True))
    while not backend.stats()["unfinished"]:
        pass
    backend.model.finalize()
    assert sender.finish_error() == ("UNAVAILABLE", "Error generating stream: the server is stopping")


def test_refused_send_ends_the_request_with_a_last_error(start, official):
    """When a response cannot be sent, a small error is tried once, and the engine stops working for nobody."""
    attempts = []

    def full_at_first(count):
        attempts.append(count)
        if len(attempts) == 1:
            raise RuntimeError("shared memory is full")

    backend = start(DECODING)
    sender = backend.send(official("decode", stream=True, sender=ResponseSender(full_at_first)))
    assert sender.finish_error() == ("INTERNAL", "Error generating stream: a response could not be sent")
    assert sender.outputs == []
    backend.wait_until_idle()


def test_request_with_no_inputs_has_an_answer(start):
    """Neither native nor official: the error says what is missing in both."""
    code, message = start().send(InferenceRequest()).finish_error()
    assert code == "INVALID_ARG"
    assert "'text_input'" in message
    assert "'request'" in message


def test_both_kinds_of_requests_run_side_by_side(start, official):
    """In one batch, each answered in its own way."""
    backend = start(COUNT)
    native = InferenceRequest({"v": 1, "op": "generate", "rid": "a", "api": "chat", "prompt": "count"})
    foreign = official("count")
    backend.send(native, foreign)
    assert native.sender.finish()[-1][1] == "end"
    assert texts(foreign.sender.finish_outputs()) == b"countone two three"


def test_dead_engine_is_reported_in_nvidias_words_on_request(start, official, model_directory):
    """`ENABLE_VLLM_HEALTH_CHECK`: the text that NVIDIA's clients look for. Without it, ours."""
    backend = start({"prompt": "die", "text": "abc", "die_at": 1})
    assert backend.send(official("die")).finish_error()[0] == "UNAVAILABLE"
    assert backend.send(official("p")).finish_error() == ("UNAVAILABLE", "Error generating stream: the engine is dead")

    model = MODEL_PY.TritonPythonModel()
    parameters = {
        "ENABLE_VLLM_HEALTH_CHECK": {"string_value": "true"},
        "REPORT_CUSTOM_METRICS": {"string_value": "true"},
    }
    model.initialize(arguments(model_directory, parameters=parameters))
    try:
        for expected in ("Error generating stream: the engine has died", UNHEALTHY):
            request = official("die")
            model.execute([request])
            assert request.sender.finish_error() == ("UNAVAILABLE", expected)
    finally:
        model.finalize()


UNHEALTHY = "Model is unavailable due to unhealthy vLLM engine"


TABLE = {"alpaca": "/loras/alpaca", "WizardLM": "/loras/wizard"}


class Engine:
    """The part of an engine that the reader asks."""

    def stats(self):
        return {"alive": True}


def test_known_adapter_passes(official):
    """Its name goes to the engine."""
    request = official("p", sampling={"lora_name": "alpaca"})
    assert OfficialReader("toy", loras=TABLE).read(request, "rid", ("generate",), Engine()).lora == "alpaca"


@pytest.mark.parametrize(
    ("loras", "message"),
    [
        (None, "LoRA feature is not enabled."),
        (TABLE, "LoRA bactrian is not supported, we currently support ['alpaca', 'WizardLM']"),
    ],
)
def test_other_adapters_are_refused_in_nvidias_words(official, loras, message):
    """The texts that NVIDIA's own tests compare."""
    request = official("p", parameters='{"lora_name": "bactrian"}')
    with pytest.raises(Exception, match="LoRA") as refusal:
        OfficialReader("toy", loras=loras).read(request, "rid", ("generate",), Engine())
    assert str(refusal.value) == message


def test_generating_on_an_embedding_model_is_refused(official):
    """In NVIDIA's words."""
    with pytest.raises(Exception, match="Model toy does not support 'generate' request"):
        OfficialReader("toy").read(official("p"), "rid", ("embed",), Engine())
