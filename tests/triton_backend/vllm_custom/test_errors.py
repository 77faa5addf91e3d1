"""Foreign exceptions to error records."""

from __future__ import annotations

import pytest
from pydantic import BaseModel, Field
from vllm_custom.errors import (  # fmt: skip
    FOREIGN,
    BackendError,
    BadRequest,
    Cancelled,
    Internal,
    NotFound,
    Overloaded,
    Timeout,
    Unavailable,
    translate,
    translate_refusal,
)


def foreign(name, base=Exception):
    return type(name, (base,), {})


def test_every_type_of_the_contract_has_one_class():
    """The tree and the contract's table are the same."""
    types = {cls.type for cls in BackendError.__subclasses__()}
    assert types == {"bad_request", "not_found", "overloaded", "unavailable", "cancelled", "timeout", "internal"}
    assert Timeout.type == "timeout"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("VLLMValidationError", BadRequest),
        ("VLLMUnprocessableEntityError", BadRequest),
        ("VLLMNotFoundError", NotFound),
        ("VLLMClientError", BadRequest),
        ("QueueOverflowError", Overloaded),
        ("MaxQueuedTokensError", Overloaded),
        ("EngineDeadError", Unavailable),
        ("RetryableRequestError", Unavailable),
        ("CancelledError", Cancelled),
    ],
)
def test_vllm_exceptions_have_their_type(name, expected):
    """Each is found by its own name, and by that of a base."""
    cls = foreign(name)
    assert type(translate(cls("why"))) is expected
    assert type(translate(foreign("Special", cls)("why"))) is expected
    assert name in FOREIGN


def test_parameter_at_fault_is_kept():
    """vLLM names the parameter on the exception, and adds it to the text: the text is given without."""
    error = foreign("VLLMValidationError")("too hot")
    error.parameter = "temperature"
    translated = translate(error)
    assert (translated.param, translated.message, translated.code) == ("temperature", "too hot", None)


@pytest.mark.parametrize("parameter", ["input_tokens", "input_text"])
def test_long_prompt_has_openai_code(parameter):
    """A prompt that is too long is known to OpenAI's clients by a code."""
    error = foreign("VLLMValidationError")("too long")
    error.parameter = parameter
    assert translate(error).code == "context_length_exceeded"


def test_pydantic_error_names_the_field():
    """Of several faults the first is told, with the field it is in."""

    class Body(BaseModel):
        n: int = Field(ge=1)
        stop: list[str] = []

    with pytest.raises(ValueError, match="n") as failure:
        Body.model_validate({"n": 0, "stop": [1]})
    error = translate(failure.value)
    assert isinstance(error, BadRequest)
    assert error.param == "n"
    assert error.message.startswith("n: ")


@pytest.mark.parametrize("exception", [ValueError("no"), TypeError("no"), OverflowError("no")])
def test_plain_errors_are_the_clients_only_while_checking(exception):
    """The same exception is the request's fault while it is checked, and ours later."""
    assert isinstance(translate_refusal(exception), BadRequest)
    assert isinstance(translate(exception), Internal)


def test_unforeseen_error_is_internal_even_while_checking():
    """A missing key in our own code is not blamed on the client."""
    assert isinstance(translate_refusal(KeyError("x")), Internal)


def test_own_errors_pass_unchanged():
    """What is a BackendError already is not wrapped again."""
    error = Overloaded("full")
    assert translate(error) is error
    assert translate_refusal(error) is error


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ("n must be at least 1, got 0.", "n"),
        ("`stop` must not be empty", "stop"),
        ("Grammar error: Invalid type: frob", "response_format"),
        ("Invalid structured outputs: no such rule", "response_format"),
        ("Failed to transform json schema into a grammar: x", "response_format"),
        ("seed must be small", None),
        ("Token id 9 is out of vocabulary", None),
    ],
)
def test_field_is_found_in_the_sentence(message, param):
    """Where vLLM names the field only in words, it is the field if the request has it."""
    fields = {"n", "stop", "response_format"}
    assert translate_refusal(ValueError(message), fields).param == param
