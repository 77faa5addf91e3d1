"""What can go wrong, and how a client learns of it.

BackendError        type in an `error` record     HTTP at the gateway
├── BadRequest      bad_request                   400
├── NotFound        not_found                     404
├── Overloaded      overloaded                    429
├── Unavailable     unavailable                   503
├── Cancelled       cancelled                     (the client has gone)
├── Timeout         timeout                       504
└── Internal        internal                      500
ConfigError         model.json or config.pbtxt is at fault: the model does not load
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from typing import Any, ClassVar


class BackendError(Exception):
    """A failure that has its own record; `param` names the field at fault, `code` is OpenAI's where there is one."""

    type: ClassVar[str] = "internal"

    def __init__(self, message: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.code = code


class BadRequest(BackendError):
    """The request is at fault."""

    type = "bad_request"


class NotFound(BackendError):
    """The model, adapter or file does not exist."""

    type = "not_found"


class Overloaded(BackendError):
    """Refused to protect the queue; a later try may succeed."""

    type = "overloaded"


class Unavailable(BackendError):
    """The engine is dead, starting or stopping, or new work is not let in."""

    type = "unavailable"


class Cancelled(BackendError):
    """The client has gone, or the request was aborted."""

    type = "cancelled"


class Timeout(BackendError):
    """The deadline of the request has passed."""

    type = "timeout"


class Internal(BackendError):
    """A fault of ours; the message is for the log, never for the client."""

    type = "internal"


class ConfigError(Exception):
    """The message names the file and the line to change; Triton shows it as the reason the model did not load."""


def translate(exception: BaseException) -> BackendError:
    """The error of the contract for any exception; one that is not listed here is `internal`."""
    if isinstance(exception, BackendError):
        return exception
    for cls in type(exception).__mro__:
        if (make := FOREIGN.get(cls.__name__)) is not None:
            return make(exception)
    return Internal(f"{type(exception).__name__}: {exception}")


def translate_refusal(exception: BaseException, fields: Collection[str] = ()) -> BackendError:
    """As `translate`, for what is raised while a request with these fields is being checked: plain Python errors, which a
    validator lets through, are then the fault of the input and become BadRequest."""
    error = translate(exception)
    if isinstance(error, Internal) and isinstance(exception, INPUT_ERRORS):
        error = BadRequest(str(exception) or type(exception).__name__)
    return named(error, fields)


def named(error: BackendError, fields: Collection[str]) -> BackendError:
    """A BadRequest that names no field names the one of these that its message is about, if that can be told."""
    if isinstance(error, BadRequest) and error.param is None and error.code is None:
        error.param = _named_in(error.message, fields)
    return error


def _named_in(message: str, fields: Collection[str]) -> str | None:
    # vLLM does not always name the parameter in a field, but its message begins with it: "n must be at least 1".
    subject = message.partition(" ")[0].strip("`'\"")
    if subject in fields:
        return subject
    if CONSTRAINT.search(message):
        return next((name for name in CONSTRAINTS if name in fields), None)
    return None


# What vLLM says of structured outputs, without saying which field asks for them.
CONSTRAINT = re.compile(r"grammar|regex|schema|structured|structural", re.IGNORECASE)
CONSTRAINTS = ("structured_outputs", "response_format", "tools")


INPUT_ERRORS = (ValueError, TypeError, OverflowError, AttributeError, RecursionError, NotImplementedError)

# How vLLM calls the length of a prompt when it is too long for the model.
PROMPT_LENGTH = frozenset({"input_tokens", "input_text"})


def _of_parameter(exception: Any) -> BackendError:
    message = str(exception.args[0]) if exception.args else type(exception).__name__
    param = getattr(exception, "parameter", None)
    if param in PROMPT_LENGTH:
        return BadRequest(message, code="context_length_exceeded")
    return BadRequest(message, param=param)


def _of_pydantic(exception: Any) -> BackendError:
    first: dict[str, Any] = exception.errors(include_url=False, include_input=False)[0]
    cause = first.get("ctx", {}).get("error")
    if getattr(cause, "parameter", None) is not None:
        return _of_parameter(cause)
    location = [str(part) for part in first.get("loc", ())]
    param = location[0] if location else None
    return BadRequest(f"{'.'.join(location) or 'request'}: {first['msg']}", param=param)


def _as(error: type[BackendError]) -> Callable[[Any], BackendError]:
    return lambda exception: error(str(exception))


# By name, because vLLM must not be imported here; a class that is not listed is found through its bases.
FOREIGN: dict[str, Callable[[Any], BackendError]] = {
    "VLLMValidationError": _of_parameter,
    "VLLMUnprocessableEntityError": _of_parameter,
    "VLLMNotFoundError": _as(NotFound),
    "VLLMClientError": _as(BadRequest),
    "QueueOverflowError": _as(Overloaded),
    "MaxQueuedTokensError": _as(Overloaded),
    "EngineDeadError": _as(Unavailable),
    "RetryableRequestError": _as(Unavailable),
    "ValidationError": _of_pydantic,
    "CancelledError": _as(Cancelled),
}
