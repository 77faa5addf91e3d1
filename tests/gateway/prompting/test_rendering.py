"""Models whose backend renders, over HTTP: what of a chat reaches the backend, and which images do."""

from __future__ import annotations

import threading
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import openai
import pytest

from tests.conftest import PROBED_ONCE
from tests.fakes.gateway import running_gateway
from tests.fakes.images import data_url, png
from tests.fakes.openai import chat, completion
from tests.fakes.triton import CHAT_MODEL, CONTEXT_LENGTH, FakeTriton

LIMITS = {"max_images": 3, "max_image_bytes": 5000, "max_image_pixels": 10_000}


def image(url: str, **members: Any) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url, **members}}


QUESTION = {"type": "text", "text": "What is it?"}


class Gallery(BaseHTTPRequestHandler):
    """A host with one image; what else it is asked for it has not."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/cat.png" else 404)
        self.end_headers()
        self.wfile.write(png(7, 7))

    def log_message(self, *_: Any) -> None:
        """Silent."""


@pytest.fixture(scope="module")
def gallery() -> Generator[str, None, None]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Gallery)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module", params=["session", "direct"])
def _seeing_triton(request: pytest.FixtureRequest) -> Generator[FakeTriton, None, None]:
    with FakeTriton(travel=("direct", "session") if request.param == "session" else ("direct",)) as triton:
        triton.ready = [CHAT_MODEL]
        # Nothing that a gateway could render with.
        triton.files[CHAT_MODEL] = {}
        triton.description = {"renderer": "backend", "media": {"image": 2}}
        yield triton


@pytest.fixture(scope="module")
def seeing_url(_seeing_triton: FakeTriton, gallery: str) -> Generator[str, None, None]:
    allowed = {"image_hosts": (gallery,), "image_private_addresses": True}
    with running_gateway(triton_urls=(_seeing_triton.address,), **PROBED_ONCE, **LIMITS, **allowed) as gateway:
        gateway.wait_ready()
        yield gateway.url


@pytest.fixture
def seeing_triton(_seeing_triton: FakeTriton) -> FakeTriton:
    _seeing_triton.reset()
    return _seeing_triton


def ask(url: str, *parts: dict[str, Any], **fields: Any) -> httpx.Response:
    messages = [{"role": "user", "content": list(parts)}]
    return httpx.post(f"{url}/v1/chat/completions", json=chat(messages=messages, **fields))


def error(response: httpx.Response) -> tuple[int, str | None, str | None]:
    body = response.json()["error"]
    return response.status_code, body["param"], body["code"]


def test_chat_reaches_the_backend_as_messages(seeing_url: str, seeing_triton: FakeTriton) -> None:
    """With the images beside it, by number, and without a prompt of the gateway's; the answer is as ever."""
    sdk = openai.OpenAI(base_url=f"{seeing_url}/v1", api_key="any", _strict_response_validation=True)
    first, second = png(1, 2), png(3, 4)
    answer = sdk.chat.completions.create(
        model=CHAT_MODEL,
        messages=[
            {"role": "developer", "content": "Be brief."},
            {
                "role": "user",
                "content": [image(data_url(first), detail="low"), QUESTION, image(data_url(second))],  # pyright: ignore[reportArgumentType]
            },
        ],
        max_completion_tokens=9,
    )
    assert answer.choices[0].message.content == "Hello world."
    call = seeing_triton.next_call()
    assert call.media == [first, second]
    assert call.token_ids == []
    system, user = call.envelope["messages"]
    assert system == {"role": "system", "content": "Be brief."}
    assert user["content"] == [image("media:0", detail="low"), QUESTION, image("media:1")]
    assert call.body["max_completion_tokens"] == 9
    assert not call.body.keys() & {"messages", "prompt"}


def test_streams_are_as_ever(seeing_url: str, seeing_triton: FakeTriton) -> None:
    """Whoever renders."""
    sdk = openai.OpenAI(base_url=f"{seeing_url}/v1", api_key="any", _strict_response_validation=True)
    chunks = sdk.chat.completions.create(model=CHAT_MODEL, messages=[{"role": "user", "content": "x"}], stream=True)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "Hello world."


def test_tools_reach_the_template(seeing_url: str, seeing_triton: FakeTriton) -> None:
    """Also where none may be called: templates tell the model of them all the same."""
    tools = [{"type": "function", "function": {"name": "now", "parameters": {"type": "object"}}}]
    assert ask(seeing_url, QUESTION, tools=tools, tool_choice="none").status_code == 200
    body = seeing_triton.next_call().body
    assert (body["tools"][0]["function"]["name"], body["tool_choice"]) == ("now", "none")


def test_completions_are_tokenised_by_the_backend(seeing_url: str, seeing_triton: FakeTriton) -> None:
    """Texts travel as they are where only the backend has a tokeniser, token ids as ids."""
    for prompt in ("Once upon", [5, 6]):
        answer = httpx.post(f"{seeing_url}/v1/completions", json=completion(prompt=prompt))
        assert answer.status_code == 200, answer.text
        call = seeing_triton.next_call()
        assert (call.envelope.get("prompt"), call.token_ids) == (
            ("Once upon", []) if isinstance(prompt, str) else (None, [5, 6])
        )


def test_allowed_host_is_asked_for_an_image(seeing_url: str, seeing_triton: FakeTriton, gallery: str) -> None:
    """By the gateway: the backend gets the bytes."""
    assert ask(seeing_url, image(f"http://{gallery}/cat.png"), QUESTION).status_code == 200
    assert seeing_triton.next_call().media == [png(7, 7)]


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("https://example.org/cat.png", "invalid_image_url"),
        ("file:///etc/passwd", "invalid_image_url"),
        ("media:0", "invalid_image_url"),
        ("data:image/png,raw", "invalid_base64_image"),
        (data_url(b"<svg/>"), "invalid_image_format"),
        (data_url(png()[:20]), "invalid_image_format"),
        (data_url(png(101, 100)), "image_too_large"),
        (data_url(png(filling=5000)), "image_file_too_large"),
        ("http://{gallery}/dog.png", "failed_to_download_image"),
    ],
)
def test_bad_image_is_refused_before_triton(
    seeing_url: str, seeing_triton: FakeTriton, gallery: str, url: str, code: str
) -> None:
    """Each with the place of it in the request."""
    refused = ask(seeing_url, QUESTION, image(url.format(gallery=gallery)))
    assert error(refused) == (400, "messages[0].content[1].image_url.url", code)
    assert not seeing_triton.calls


def test_number_of_images_is_limited(seeing_url: str, seeing_triton: FakeTriton) -> None:
    """By what the model takes; the first that is too much is named."""
    refused = ask(seeing_url, *[image(data_url(png()))] * 3)
    assert error(refused) == (400, "messages[0].content[2].image_url.url", "invalid_value")
    assert not seeing_triton.calls


def test_more_tokens_than_the_context_are_refused(seeing_url: str, seeing_triton: FakeTriton) -> None:
    """That much can be told without the prompt; what else is too long the backend says."""
    refused = ask(seeing_url, QUESTION, max_completion_tokens=CONTEXT_LENGTH + 1)
    assert error(refused) == (400, "messages", "context_length_exceeded")

    def too_long(call: Any) -> Any:
        yield [call.error("bad_request", "too long", "context_length_exceeded", "messages")]

    seeing_triton.script = too_long
    assert error(ask(seeing_url, QUESTION)) == (400, "messages", "context_length_exceeded")


def test_model_without_images_refuses_them(client: httpx.Client, triton: FakeTriton) -> None:
    """It would otherwise answer as if there were none."""
    messages = [{"role": "user", "content": [QUESTION, image(data_url(png()))]}]
    refused = client.post("/v1/chat/completions", json=chat(messages=messages))
    assert error(refused) == (400, "messages[0].content[1].image_url.url", "invalid_value")
    assert "takes no images" in refused.json()["error"]["message"]
    assert not triton.calls


@pytest.mark.parametrize(
    ("part", "param"),
    [
        ({"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}, "messages[0].content[0].type"),
        ({"type": "image_url", "image_url": "data:"}, "messages[0].content[0].image_url"),
        ({"type": "image_url", "image_url": {}}, "messages[0].content[0].image_url.url"),
        ({"type": "image_url", "image_url": {"url": "x", "detail": "huge"}}, "messages[0].content[0].image_url.detail"),
    ],
)
def test_part_of_another_shape_is_refused(seeing_url: str, part: dict[str, Any], param: str) -> None:
    """The field is named."""
    assert error(ask(seeing_url, part))[:2] == (400, param)
