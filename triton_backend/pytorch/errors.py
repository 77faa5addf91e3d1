"""What can go wrong.

ConfigError     the model cannot be served as it is configured; at load
AnswerError     one request cannot be answered, the others of its batch can
  RequestError    the request is at fault
  ModelError      the model failed on it, or gave something that config.pbtxt does not say
"""


class ConfigError(Exception):
    """The model cannot be served as it is configured. The message says what to change."""


class AnswerError(Exception):
    """One request cannot be answered; the others of its batch can."""


class RequestError(AnswerError):
    """The message is for the client."""


class ModelError(AnswerError):
    """The message is for whoever runs the model: it may be the input, the model, or the device."""
