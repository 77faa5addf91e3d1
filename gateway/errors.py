"""The errors that a client can receive.

    GatewayError
    ├── BadRequest               400  the request is at fault; `param` names the field
    │   └── ContextLengthExceeded     the prompt, or prompt and answer, do not fit the model
    ├── Unauthorized             401  no key, or a wrong one
    ├── NotFound                 404  no such URL
    │   └── ModelNotFound             no such model, or not for this key
    ├── MethodNotAllowed         405
    ├── RequestTimeout           408  the request did not come in time
    ├── PayloadTooLarge          413
    ├── UnsupportedMediaType     415
    ├── HeadersTooLarge          431
    ├── Overloaded               429  refused so that the others stay fast
    ├── RequestsLimited          429  the requests of this key for now are used up
    ├── TokensLimited            429  its tokens are
    │   └── RequestTooLarge           it asks for more than the key may have in a minute
    ├── InternalError            500  a fault of ours
    ├── ModelBroken              500  the model is there and can't be served until its operator mends it
    ├── Unavailable              503  Triton or the engine is down, starting or stopping
    └── UpstreamTimeout          504  Triton fell silent

Every class knows its HTTP status and the `type` and `code` of OpenAI's error object; the handlers look nothing up. The
texts are our own: no message of Triton or the engine reaches a client, except that of a `bad_request` record.
Wording and codes follow OpenAI's public error bodies, because clients match on them.

SDKs retry 408, 409, 429 and 5xx on their own. A permanent error has another status, or `should_retry = False`.
"""

from __future__ import annotations

from typing import ClassVar


class GatewayError(Exception):
    """An error for a client: a message, and where they apply a `param` and a `code`. How it is written is for the
    dialect of the API (`web/dialect.py`)."""

    status: ClassVar[int] = 500
    type: ClassVar[str] = "server_error"
    default_code: ClassVar[str | None] = None
    should_retry: ClassVar[bool | None] = None

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.code = code if code is not None else self.default_code
        self.retry_after_s = retry_after_s


class BadRequest(GatewayError):
    status = 400
    type = "invalid_request_error"


def not_taken(param: str, reason: str) -> BadRequest:
    """A known field that this model can't honour."""
    return BadRequest(f"Unsupported parameter: '{param}' {reason}.", param=param, code="unsupported_parameter")


class ContextLengthExceeded(BadRequest):
    """The request does not fit the context of the model. LiteLLM matches on the phrase, LangChain on the code."""

    default_code = "context_length_exceeded"

    def __init__(self, *, context_length: int, prompt_tokens: int, max_tokens: int | None, param: str) -> None:
        limit = f"This model's maximum context length is {context_length} tokens."
        if prompt_tokens >= context_length or max_tokens is None:
            said = f"However, your {param} resulted in {prompt_tokens} tokens."
            advice = f"Please reduce the length of the {param}."
        else:
            total = prompt_tokens + max_tokens
            said = f"However, you requested {total} tokens ({prompt_tokens} in the {param}, {max_tokens} in the completion)."
            advice = f"Please reduce the length of the {param} or the completion."
        super().__init__(f"{limit} {said} {advice}", param=param)


class Unauthorized(GatewayError):
    status = 401
    type = "invalid_request_error"


class NotFound(GatewayError):
    status = 404
    type = "invalid_request_error"


class ModelNotFound(NotFound):
    default_code = "model_not_found"

    def __init__(self, model: str) -> None:
        super().__init__(f"The model `{model}` does not exist or you do not have access to it.")


class MethodNotAllowed(GatewayError):
    status = 405
    type = "invalid_request_error"
    default_code = "method_not_supported"


class RequestTimeout(GatewayError):
    status = 408
    type = "invalid_request_error"


class PayloadTooLarge(GatewayError):
    status = 413
    type = "invalid_request_error"


class UnsupportedMediaType(GatewayError):
    status = 415
    type = "invalid_request_error"


class HeadersTooLarge(GatewayError):
    status = 431
    type = "invalid_request_error"


class Overloaded(GatewayError):
    status = 429
    type = "requests"
    default_code = "rate_limit_exceeded"


class RequestsLimited(GatewayError):
    status = 429
    type = "requests"
    default_code = "rate_limit_exceeded"


class TokensLimited(GatewayError):
    status = 429
    type = "tokens"
    default_code = "rate_limit_exceeded"


class RequestTooLarge(TokensLimited):
    """It does not fit the limit, however long one waits."""

    should_retry = False

    def __init__(self, *, limit: int, requested: int) -> None:
        super().__init__(
            f"Request too large on tokens per min (TPM): Limit {limit}, Requested {requested}."
            " The input or output tokens must be reduced in order to run successfully."
        )


class InternalError(GatewayError):
    """A fault of ours; the log has the cause under the request id."""

    def __init__(self) -> None:
        super().__init__("The server had an error while processing your request. Sorry about that!")


class ModelBroken(GatewayError):
    """It is neither 404, because the model exists, nor 503, because it does not come back by itself."""

    status = 500
    default_code = "model_not_servable"
    should_retry = False

    def __init__(self, model: str, cause: str) -> None:
        super().__init__(f"The model `{model}` can't be served: {cause}.")


class Unavailable(GatewayError):
    status = 503
    default_code = "backend_unavailable"


class UpstreamTimeout(GatewayError):
    status = 504
    default_code = "timeout"
