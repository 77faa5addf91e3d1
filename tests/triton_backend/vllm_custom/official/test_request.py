"""The official backend's inputs to request values."""

from __future__ import annotations

import base64
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from vllm_custom.errors import BadRequest
from vllm_custom.official.request import OfficialEmbed, OfficialGenerate, Wanted, parse

FLAGS = [
    "stream", "exclude_input_in_output", "return_finish_reason", "return_cumulative_logprob", "return_logprobs",
    "return_num_input_tokens", "return_num_output_tokens",
]  # fmt: skip


def row(*values):
    array = np.empty(len(values), dtype=np.object_)
    array[:] = values
    return array


def read(parameters="", **inputs):
    arrays = {name: np.array([value]) if isinstance(value, bool) else row(value) for name, value in inputs.items()}
    return parse(arrays, parameters, "rid")


def refused(parameters="", **inputs):
    with pytest.raises(BadRequest) as refusal:
        read(parameters, **inputs)
    return refusal.value


def test_prompt_alone_has_the_documented_defaults():
    """Not streamed, with the prompt before the answer, and nothing besides."""
    request = read(text_input="héllo".encode())
    assert request == OfficialGenerate(
        rid="rid",
        api="completions",
        body={},
        prompt="héllo",
        token_ids=None,
        stream=False,
        images=(),
        lora=None,
        wanted=Wanted(prompt="héllo"),
    )


@pytest.mark.parametrize(
    ("stream", "exclude", "prepended"),
    [(False, None, True), (False, False, True), (False, True, False), (True, None, False), (True, True, False)],
)
def test_prompt_is_prepended_as_documented(stream, exclude, prepended):
    """By default only where the answer is not streamed."""
    given_flag = {} if exclude is None else {"exclude_input_in_output": exclude}
    request = read(text_input=b"p", stream=stream, **given_flag)
    assert request.wanted.prompt == ("p" if prepended else "")


def test_streaming_with_the_prompt_is_refused_in_nvidias_words():
    """The text is part of the interface."""
    error = refused(text_input=b"p", stream=True, exclude_input_in_output=False)
    assert error.message == "When streaming, `exclude_input_in_output` = False is not allowed."


def test_tensor_of_parameters_wins_over_those_of_the_request():
    """As with the official backend, the two are not merged."""
    assert read('{"n": "2"}', text_input=b"p").body == {"n": "2"}
    assert read('{"n": "2"}', text_input=b"p", sampling_parameters=b'{"seed": 1}').body == {"seed": 1}


def test_images_are_decoded():
    """Each element is one file in base64."""
    images = row(base64.b64encode(b"one"), base64.b64encode(b"two"))
    request = parse({"text_input": row(b"p"), "image": images}, "", "rid")
    assert request.images == (b"one", b"two")
    assert refused(text_input=b"p", image=b"abc").param == "image"


def test_adapter_is_named_beside_the_parameters():
    """It is no sampling parameter of vLLM's."""
    request = read('{"lora_name": "alpaca", "n": 1}', text_input=b"p")
    assert (request.lora, request.body) == ("alpaca", {"n": 1})


@pytest.mark.parametrize(
    ("inputs", "param"),
    [
        ({}, "text_input"),
        ({"stream": True}, "text_input"),
        ({"text_input": b"\xff"}, "text_input"),
        ({"text_input": b"p", "sampling_parameters": b"{"}, "sampling_parameters"),
        ({"text_input": b"p", "sampling_parameters": b'{"lora_name": 1}'}, "lora_name"),
        ({"embedding_request": b"{"}, "embedding_request"),
        ({"embedding_request": b"[]"}, "embedding_request"),
        ({"embedding_request": b'{"input": []}'}, "input"),
        ({"embedding_request": b'{"input": [true]}'}, "input"),
        ({"embedding_request": b'{"input": [-1]}'}, "input"),
        ({"embedding_request": b'{"input": "a", "pooling_params": 5}'}, "pooling_params"),
        ({"embedding_request": b'{"input": "a", "pooling_params": {"dimensions": [0]}}'}, "dimensions"),
    ],
)
def test_fault_is_named(inputs, param):
    """Whatever is wrong, the message names the input or the key."""
    error = refused(**inputs)
    assert error.param == param


def test_doubled_elements_are_refused():
    """One prompt a request, and one value a flag."""
    for inputs in ({"text_input": row(b"a", b"b")}, {"text_input": row(b"a"), "stream": np.array([True, False])}):
        with pytest.raises(BadRequest, match="one element, not 2"):
            parse(inputs, "", "rid")


def test_embedding_of_a_text_and_of_tokens():
    """In the shape that NVIDIA's front end sends, dimensions as a list of one."""
    written = json.dumps({"input": "a", "pooling_params": {"dimensions": [64]}}).encode()
    text = read(text_input=b"", embedding_request=written, return_num_input_tokens=True)
    assert text == OfficialEmbed("rid", "a", None, 64, Wanted(num_input_tokens=True))
    tokens = read(text_input=b"", embedding_request=b'{"input": [101, 7592], "pooling_params": {}}')
    assert (tokens.prompt, tokens.token_ids, tokens.dimensions) == (None, [101, 7592], None)


@given(
    st.dictionaries(st.sampled_from(FLAGS), st.booleans()),
    st.one_of(st.none(), st.binary(max_size=20)),
    st.one_of(st.none(), st.binary(max_size=20), st.dictionaries(st.text(max_size=5), st.integers()).map(json.dumps)),
    st.one_of(st.none(), st.binary(max_size=20)),
    st.text(max_size=20),
)
def test_any_inputs_are_understood_or_refused(flags, prompt, sampling, embedding, parameters):
    """Nothing but BadRequest comes of inputs that make no request, and no request breaks a promise."""
    named = {"text_input": prompt, "sampling_parameters": sampling, "embedding_request": embedding}
    inputs = {
        name: value if isinstance(value, bytes) else value.encode()
        for name, value in named.items()
        if value is not None
    }
    try:
        request = read(parameters, **inputs, **flags)
    except BadRequest:
        return
    assert request.rid == "rid"
    if isinstance(request, OfficialEmbed):
        assert (request.prompt is None) != (request.token_ids is None)
    else:
        assert request.prompt == prompt.decode()
        assert request.wanted.prompt in ("", request.prompt)
        assert not (request.stream and request.wanted.prompt)
