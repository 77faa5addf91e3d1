"""Embedding requests of NVIDIA's OpenAI front end, on an engine that embeds."""

from __future__ import annotations

import dataclasses
import json
from typing import Any, ClassVar

import numpy as np
import pytest
from vllm_custom.engine.interface import Result
from vllm_custom.errors import BadRequest
from vllm_custom.replay.replay_engine import ReplayEngine


class EmbeddingEngine(ReplayEngine):
    """The scripted engine, with vectors: of each request as many numbers as it has tokens; `held` ones are kept."""

    held: ClassVar[list[Any]] = []

    def start(self):
        return dataclasses.replace(super().start(), tasks=("embed",))

    def submit_for_result(self, request, sink):
        (given,) = request.inputs
        if given == "bad":
            sink.failed(BadRequest("too long"))
        elif given == "nothing":
            sink.finished(Result({"prompt_tokens": 1}))
        elif given == "held":
            self.held.append(sink)
        else:
            sink.finished(vector([0.5] * (request.dimensions or len(given)), len(given)))


def vector(numbers, tokens):
    return Result({"shape": [1, len(numbers)], "prompt_tokens": tokens}, np.array([numbers], dtype=np.float32))


@pytest.fixture
def backend(serve):
    return serve(engine=EmbeddingEngine)


@pytest.fixture
def embed(backend, official):
    def sent(document, **inputs):
        return backend.send(official("", embedding_request=json.dumps(document), **inputs))

    return sent


def test_vector_is_json_in_the_text_output(embed):
    """With the token counts that were asked for."""
    counts = {"return_num_input_tokens": True, "return_num_output_tokens": True}
    (output,) = embed({"input": "abc", "pooling_params": {}}, **counts).finish_outputs()
    assert output == {"text_output": [b"[0.5, 0.5, 0.5]"], "num_input_tokens": [3], "num_output_tokens": [0]}


def test_tokens_and_dimensions_reach_the_engine(embed):
    """In the shape that the front end sends."""
    document = {"input": [101, 7592], "pooling_params": {"dimensions": [1]}}
    assert embed(document).finish_outputs() == [{"text_output": [b"[0.5]"]}]


def test_refusal_is_an_error(embed):
    """In the same words as for a prompt."""
    assert embed({"input": "bad"}).finish_error() == ("INVALID_ARG", "Error generating stream: too long")


def test_result_without_a_vector_is_a_fault(embed):
    """Of ours, and said so."""

    code, text = embed({"input": "nothing"}).finish_error()
    assert (code, text) == ("INTERNAL", "Error generating stream: the engine gave no vector")


def test_client_leaving_ends_it(embed):
    """By the same poller; an answer that comes later goes nowhere."""
    sender = embed({"input": "held"})
    sender.cancelled = True
    assert sender.finish_error() == ("CANCELLED", "Request was cancelled")
    assert EmbeddingEngine.held.pop().finished(vector([1.0], 1)) is False


def test_prompt_is_refused_in_nvidias_words(backend, official):
    """A model that only embeds does not generate."""
    assert (
        backend.send(official("p")).finish_error()[1]
        == "Error generating stream: Model toy does not support 'generate' request"
    )


def test_official_embedding_is_the_same_vector(start, official):
    """NVIDIA's request, answered by the engine's own pooling."""
    backend = start(tasks=["embed"])
    native = backend.ask("embed", input=["abcd"])
    native.finish()
    request = official("", embedding_request=json.dumps({"input": "abcd"}), return_num_input_tokens=True)
    backend.model.execute([request])
    (output,) = request.sender.finish_outputs()
    assert json.loads(output["text_output"][0]) == pytest.approx(native.vectors[0].tolist())
    assert output["num_input_tokens"] == [4]
    refused = official("", embedding_request=json.dumps({"input": "a", "pooling_params": {"dimensions": 9}}))
    backend.model.execute([refused])
    assert "4 dimensions" in refused.sender.finish_error()[1]
