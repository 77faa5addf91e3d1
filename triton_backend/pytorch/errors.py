"""The errors of this backend.

ConfigError     the model cannot be served as it is configured; raised at load
AnswerError     one request cannot be answered, but the others of its batch can
  RequestError    the request is invalid
  ModelError      the model failed on it, or returned something that differs from config.pbtxt
"""


class ConfigError(Exception):
    """The model cannot be served as it is configured. The message says what to change."""


class AnswerError(Exception):
    """One request cannot be answered; the others of its batch can."""


class RequestError(AnswerError):
    """The message is for the client."""


class ModelError(AnswerError):
    """The message is for the operator: the input, the model or the device may be at fault."""
