"""Errors as the official client reads them: its exception, what it shows of the body, and what it tries again."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import httpx
import openai
import pytest

from tests.conftest import PROBED_ONCE
from tests.fakes.gateway import RunningGateway, running_gateway
from tests.fakes.openai import chat
from tests.fakes.triton import CHAT_MODEL, CONTEXT_LENGTH, Call, FakeTriton, Message, Script

HI: Any = [{"role": "user", "content": "Hi"}]
KEYS = [
    {"name": "ann", "key": "sk-ann"},
    {"name": "few", "key": "sk-few", "tokens_per_minute": 50},
    {"name": "none", "key": "sk-none", "models": ["other"]},
]


@pytest.fixture(scope="module")
def _triton() -> Generator[FakeTriton, None, None]:
    with FakeTriton() as triton:
        yield triton


@pytest.fixture
def triton(_triton: FakeTriton) -> Generator[FakeTriton, None, None]:
    """One way of travel is enough: the retries of the client take seconds."""
    yield _triton
    _triton.reset()


@pytest.fixture(scope="module")
def guarded(_triton: FakeTriton) -> Generator[RunningGateway, None, None]:
    with running_gateway(
        triton_urls=(_triton.address,), keys=KEYS, max_body_bytes=2048, stall_timeout_s=0.3, **PROBED_ONCE
    ) as gateway:
        gateway.wait_ready()
        yield gateway


def client(gateway: RunningGateway, key: str = "sk-ann", retries: int = 0) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=key, max_retries=retries, timeout=10)


def create(client: openai.OpenAI, **changes: Any) -> Any:
    return client.chat.completions.create(**{"model": CHAT_MODEL, "messages": HI, **changes})


def says(kind: str, **about: Any) -> Script:
    def script(call: Call) -> Any:
        yield [call.error(kind, **about)]

    return script


def silent(call: Call) -> Any:
    call.cancelled.wait(5)
    messages: list[Message] = []
    yield from messages


Cause = Callable[[openai.OpenAI], Any]
CASES: list[tuple[str, Cause, type[openai.APIStatusError], tuple[str, str | None, str | None], str]] = [
    (
        "unknown model",
        lambda c: create(c, model="nobody"),
        openai.NotFoundError,
        ("invalid_request_error", None, "model_not_found"),
        "The model `nobody` does not exist or you do not have access to it.",
    ),
    (
        "context",
        lambda c: create(c, messages=[{"role": "user", "content": "x" * CONTEXT_LENGTH}]),
        openai.BadRequestError,
        ("invalid_request_error", "messages", "context_length_exceeded"),
        f"This model's maximum context length is {CONTEXT_LENGTH} tokens. However, ",
    ),
    (
        "missing field",
        lambda c: c.post("/chat/completions", body={"model": CHAT_MODEL}, cast_to=object),
        openai.BadRequestError,
        ("invalid_request_error", "messages", "missing_required_parameter"),
        "Missing required parameter: 'messages'.",
    ),
    (
        "wrong type",
        lambda c: create(c, messages=[{"role": "user", "content": 5}]),
        openai.BadRequestError,
        ("invalid_request_error", "messages[0].content", "invalid_type"),
        "Invalid type for 'messages[0].content'",
    ),
    (
        "out of range",
        lambda c: create(c, n=0),
        openai.BadRequestError,
        ("invalid_request_error", "n", "integer_below_min_value"),
        "Invalid 'n': integer below minimum value.",
    ),
    (
        "not json",
        lambda c: c.post("/chat/completions", content=b"{", cast_to=object),
        openai.BadRequestError,
        ("invalid_request_error", None, None),
        "We could not parse the JSON body of your request.",
    ),
    (
        "unknown url",
        lambda c: c.post("/nowhere", body={}, cast_to=object),
        openai.NotFoundError,
        ("invalid_request_error", None, None),
        "Invalid URL (POST /v1/nowhere)",
    ),
    (
        "wrong method",
        lambda c: c.put("/models", body={}, cast_to=object),
        openai.APIStatusError,
        ("invalid_request_error", None, "method_not_supported"),
        "Not allowed to PUT on /v1/models.",
    ),
    (
        "large body",
        lambda c: create(c, user="x" * 2048),
        openai.APIStatusError,
        ("invalid_request_error", None, None),
        "Request body too large",
    ),
]


@pytest.mark.parametrize(
    ("cause", "kind", "fields", "words"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_mistake_of_the_client(
    guarded: RunningGateway,
    cause: Cause,
    kind: type[openai.APIStatusError],
    fields: tuple[str, str | None, str | None],
    words: str,
) -> None:
    """Told once, in OpenAI's own words where clients match on them."""
    with pytest.raises(openai.APIStatusError) as caught:
        cause(client(guarded, retries=2))
    error = caught.value
    assert type(error) is kind
    assert (error.type, error.param, error.code) == fields
    assert words in error.message
    assert error.request_id
    assert tries(error) == 1
    assert "x-should-retry" not in error.response.headers


def tries(error: openai.APIStatusError) -> int:
    """How often the client has asked, as it tells in the request's headers."""
    return int(error.request.headers["x-stainless-retry-count"]) + 1


@pytest.mark.parametrize(
    ("key", "code", "words"),
    [("sk-wrong", "invalid_api_key", "Incorrect API key provided"), ("sk ann", "invalid_api_key", "Incorrect API key")],
)
def test_wrong_key(guarded: RunningGateway, key: str, code: str, words: str) -> None:
    """The key itself is not repeated."""
    with pytest.raises(openai.AuthenticationError, match=words) as caught:
        create(client(guarded, key))
    assert (caught.value.type, caught.value.param, caught.value.code) == ("invalid_request_error", None, code)
    assert key not in caught.value.response.text


def test_no_key(guarded: RunningGateway) -> None:
    """Without the header altogether."""
    with pytest.raises(openai.AuthenticationError, match="You didn't provide an API key") as caught:
        create(client(guarded), extra_headers={"Authorization": openai.Omit()})
    assert (caught.value.type, caught.value.param, caught.value.code) == ("invalid_request_error", None, None)


def test_model_of_others(guarded: RunningGateway) -> None:
    """To the letter what a model gets that nobody has."""
    with pytest.raises(openai.NotFoundError, match=f"The model `{CHAT_MODEL}` does not exist or you do not") as caught:
        create(client(guarded, "sk-none"))
    assert caught.value.code == "model_not_found"


@pytest.mark.parametrize(
    ("script", "kind", "status", "fields"),
    [
        (says("overloaded"), openai.RateLimitError, 429, ("requests", None, "rate_limit_exceeded")),
        (says("unavailable"), openai.InternalServerError, 503, ("server_error", None, "backend_unavailable")),
        (says("internal"), openai.InternalServerError, 500, ("server_error", None, None)),
        (says("timeout"), openai.InternalServerError, 504, ("server_error", None, "timeout")),
    ],
    ids=["overloaded", "unavailable", "internal", "timeout"],
)
def test_what_may_pass_is_tried_again(
    guarded: RunningGateway,
    triton: FakeTriton,
    script: Script,
    kind: type[openai.APIStatusError],
    status: int,
    fields: tuple[str, str | None, str | None],
) -> None:
    """By the client on its own, as long as it was told to wait."""
    triton.script = script
    with pytest.raises(kind) as caught:
        create(client(guarded, retries=1))
    error = caught.value
    assert error.status_code == status
    assert (error.type, error.param, error.code) == fields
    assert tries(error) == 2
    assert ("retry-after" in error.response.headers) is (status in (429, 503))
    assert "internal detail" not in error.response.text


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("kind", ["bad_request", "not_found"])
def test_what_the_engine_refuses_is_not_tried_again(
    guarded: RunningGateway, triton: FakeTriton, kind: str, stream: bool
) -> None:
    """With its own words: they are about the request."""
    triton.script = says(kind, message="Bad grammar.", param="response_format", code="invalid_value")
    with pytest.raises(openai.APIStatusError, match=r"Bad grammar\.") as caught:
        create(client(guarded, retries=2), stream=stream)
    error = caught.value
    assert error.status_code == {"bad_request": 400, "not_found": 404}[kind]
    assert (error.type, error.param, error.code) == ("invalid_request_error", "response_format", "invalid_value")
    assert tries(error) == 1


def test_more_than_a_minute_has_is_not_tried_again(guarded: RunningGateway) -> None:
    """Though it is a 429."""
    with pytest.raises(openai.RateLimitError, match="Request too large") as caught:
        create(client(guarded, "sk-few", retries=2), max_tokens=100)
    assert (caught.value.type, caught.value.code) == ("tokens", "rate_limit_exceeded")
    assert tries(caught.value) == 1


METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")


def test_every_route_answers_in_the_envelope(guarded: RunningGateway) -> None:
    """Whatever it is asked for: each route of the application by each method, and paths that none has."""
    with guarded.client(headers={"authorization": "Bearer sk-ann"}) as http:
        document = http.get("/openapi.json").json()
        paths = [path.replace("{model}", "m") for path in document["paths"]] + [
            "/docs",
            "/nowhere",
            "/v1/models/a/b",
            "/v1",
        ]
        for path in paths:
            for method in METHODS:
                response = http.request(method, path)
                assert response.headers["x-request-id"], (method, path)
                assert response.headers["openai-processing-ms"].isdecimal(), (method, path)
                if response.is_success or method == "HEAD":
                    continue
                assert set(response.json()["error"]) == {"message", "type", "param", "code"}, (method, path)
                assert response.status_code in (400, 404, 405), (method, path)


def test_time_is_told(guarded: RunningGateway, triton: FakeTriton) -> None:
    """That until the answer began."""
    triton.script = silent
    response = httpx.post(
        f"{guarded.url}/v1/chat/completions", json=chat(), headers={"authorization": "Bearer sk-ann"}, timeout=10
    )
    assert response.status_code in (503, 504)
    assert 200 <= int(response.headers["openai-processing-ms"]) < 10_000
