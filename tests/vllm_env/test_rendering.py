"""Chats that only vLLM can render, on the real engine: images reach the model, Mistral's tokens come out right.

As test_engine.py, these are named by VLLM_CUSTOM_ENGINE_TESTS=1.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.fakes import triton_python_backend as triton
from tests.triton_backend.vllm_custom.conftest import Backend
from tests.vllm_env.test_engine import SMALL, SMOLLM2, pytestmark, start_real

__all__ = ["pytestmark"]


def png(seed: int, side: int = 80) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (side, side, 3), np.uint8)).save(file, "PNG")
    return file.getvalue()


def image(number: int = 0, **members: Any) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": f"media:{number}", **members}}


QUESTION = {"type": "text", "text": "What is it?"}


def chat(backend: Backend, *parts: Any, media: tuple[bytes, ...] = (), **body: Any) -> list[list[Any]]:
    fields = {"temperature": 0, "max_tokens": 3, "logprobs": True, "top_logprobs": 2, "stream": True, **body}
    messages = [{"role": "user", "content": list(parts)}]
    return backend.ask("generate", api="chat", messages=messages, media=media, body=fields).finish(120)


def logprobs(records: list[list[Any]]) -> list[float]:
    assert records[-1][1] == "end", records[-1]
    return [token[2] for record in records if record[1] == "delta" for token in record[5]["logprobs"]]


def prompt_tokens(records: list[list[Any]]) -> int:
    assert records[0][1] == "accepted", records[0]
    return records[0][3]["prompt_tokens"]


@pytest.fixture(scope="module")
def seeing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    from tests.vllm_env.tiny_models import write_idefics3

    folder = tmp_path_factory.mktemp("idefics3")
    write_idefics3(folder, SMOLLM2)
    document = {"model": str(folder), "max_model_len": 512, "limit_mm_per_prompt": {"image": 2}, **SMALL}
    backend = start_real(tmp_path_factory.mktemp("repository") / "toy", document)
    yield backend
    backend.stop()


def test_description_says_that_images_are_taken(seeing: Backend) -> None:
    """The gateway learns here that the backend renders, and how many images it may send."""
    described = seeing.ask("describe").finish()[-1][3]
    assert (described["renderer"], described["media"]) == ("backend", {"image": 2})


def test_images_reach_the_engine(seeing: Backend) -> None:
    """Another image makes other probabilities, the same one the same; each counts in the prompt."""
    from tests.vllm_env.tiny_models import IMAGE_TOKENS

    red, blue, red_again = (chat(seeing, image(), QUESTION, media=(content,)) for content in (png(1), png(2), png(1)))
    assert logprobs(red) == pytest.approx(logprobs(red_again), abs=1e-4)
    assert np.abs(np.subtract(logprobs(red), logprobs(blue))).max() > 1e-3
    without = chat(seeing, QUESTION)
    assert prompt_tokens(red) >= prompt_tokens(without) + IMAGE_TOKENS
    assert red[-1][5]["prompt_tokens"] == prompt_tokens(red)


def test_two_images_keep_their_order(seeing: Backend) -> None:
    """Which comes first matters to the model."""
    one, two = png(1), png(2)
    forth = chat(seeing, image(0), image(1), QUESTION, media=(one, two))
    back = chat(seeing, image(0), image(1), QUESTION, media=(two, one))
    assert prompt_tokens(forth) == prompt_tokens(back)
    assert np.abs(np.subtract(logprobs(forth), logprobs(back))).max() > 1e-3


@pytest.mark.parametrize(
    ("parts", "media"),
    [
        ([image(), QUESTION], (b"\x89PNG no image",)),
        ([image(0), image(1), image(2)], (png(1), png(2), png(3))),
        ([{"type": "text", "text": "word " * 2000}], ()),
        ([image(), {"type": "text", "text": "word " * 505}], (png(1),)),
    ],
    ids=["no image", "too many", "too long", "too long with its image"],
)
def test_what_cannot_be_rendered_is_a_bad_request(seeing: Backend, parts: list[Any], media: tuple[bytes, ...]) -> None:
    """It names the messages, and the engine goes on."""
    record = chat(seeing, *parts, media=media)[-1]
    assert (record[3], record[5]) == ("bad_request", "messages"), record
    assert chat(seeing, QUESTION)[-1][1] == "end"


def test_prompt_that_leaves_little_room_cuts_the_answer(seeing: Backend) -> None:
    """As for a prompt that comes as tokens; vLLM alone would refuse it."""
    records = chat(seeing, {"type": "text", "text": "word " * 470}, max_completion_tokens=100, ignore_eos=True)
    assert records[-1][3] == "length"
    assert records[-1][5]["completion_tokens"] == 512 - prompt_tokens(records)


def official(backend: Backend, *images: bytes) -> list[Any]:
    """The log probabilities of the answer."""
    texts = {
        "text_input": "<image>What is it?",
        "sampling_parameters": '{"temperature": 0, "max_tokens": 2, "logprobs": 1}',
    }
    tensors = [triton.Tensor(name, np.array([text.encode()], dtype=np.object_)) for name, text in texts.items()]
    tensors.append(triton.Tensor("return_logprobs", np.array([True])))
    files = [base64.b64encode(content) for content in images]
    tensors.append(triton.Tensor("image", np.array(files, dtype=np.object_)))
    sender = backend.send(triton.InferenceRequest(tensors=tensors))
    sender.finish(120)
    assert sender.error is None
    return sender.outputs[-1]["logprobs"]


def test_official_image_reaches_the_engine(seeing: Backend) -> None:
    """The tensor `image` of NVIDIA's protocol does the same."""
    generated = [official(seeing, png(seed)) for seed in (1, 2, 1)]
    assert generated[0] == generated[2] != generated[1]


@pytest.fixture(scope="module")
def mistral_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mistral") / "weights"


@pytest.fixture(scope="module")
def mistral(tmp_path_factory: pytest.TempPathFactory, mistral_folder: Path) -> Iterator[Backend]:
    from tests.vllm_env.tiny_models import write_mistral

    arguments = write_mistral(mistral_folder)
    document = {"model": str(mistral_folder), "max_model_len": 512, **SMALL, **arguments}
    backend = start_real(tmp_path_factory.mktemp("repository") / "toy", document)
    yield backend
    backend.stop()


def test_mistrals_tokens_are_rendered_by_the_backend(mistral: Backend, mistral_folder: Path) -> None:
    """As many as Mistral's own library makes of the same chat."""
    from mistral_common.protocol.instruct.messages import UserMessage
    from mistral_common.protocol.instruct.request import ChatCompletionRequest
    from mistral_common.tokens.tokenizers.mistral import MistralTokenizer

    assert mistral.ask("describe").finish()[-1][3]["renderer"] == "backend"
    records = chat(mistral, QUESTION)
    assert records[-1][1] == "end", records[-1]
    tokenizer = MistralTokenizer.from_file(str(mistral_folder / "tekken.json"))
    request = ChatCompletionRequest(messages=[UserMessage(content=QUESTION["text"])])
    assert prompt_tokens(records) == len(tokenizer.encode_chat_completion(request).tokens)


def test_mistrals_complaints_are_bad_requests(mistral: Backend) -> None:
    """Its library wants an order of roles; the engine goes on."""
    messages = [{"role": "assistant", "content": "a"}, {"role": "assistant", "content": "b"}]
    record = mistral.ask("generate", api="chat", messages=messages, body={}).finish(60)[-1]
    assert (record[3], record[5]) == ("bad_request", "messages"), record
    assert chat(mistral, QUESTION)[-1][1] == "end"
