"""What huggingface_hub raises, as a sentence with a remedy.

Its errors are of the HTTP client that it uses, which differs from version to version.
"""

import errno
import os

from huggingface_hub import constants
from huggingface_hub.errors import (
    DisabledRepoError,
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from gateway.cli.errors import Problem

_ROOTS = tuple(base for base in HfHubHTTPError.__bases__ if issubclass(base, Exception))
FOREIGN: tuple[type[Exception], ...] = (OSError, RuntimeError, ValueError, *_ROOTS)
"""All that a call of the library may raise: of the hub, of the network, and of the disk."""

_ANSWERS = (HfHubHTTPError, HFValidationError)
"""The hub itself has answered, or would."""

_CREDENTIALS = "give a token that may read it: in the file HF_TOKEN_PATH, or in HF_TOKEN"
_DISK = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT)
_UNAUTHORIZED, _FORBIDDEN, _TOO_MANY = 401, 403, 429


def is_network(error: Exception) -> bool:
    """Whether the hub could not be asked, so that a cache may do instead. A failure of the hub (500 and above) is one."""
    if isinstance(error, LocalEntryNotFoundError):
        return True
    if isinstance(error, _ANSWERS):
        return _status(error) >= 500
    return not isinstance(error, EntryNotFoundError) and not _is_of_disk(error)


def problem_of(error: Exception, model: str, revision: str | None, *, has_token: bool) -> Problem:
    """Why the model can't be had, for the one who asked for it."""
    if (known := _refused(error, model, revision, has_token=has_token)) is not None:
        return known
    if isinstance(error, HfHubHTTPError) and not is_network(error):
        return Problem(f"The hub refuses {model}: {line(error)}", f"look at {_page(model)}.")
    if isinstance(error, OSError) and _is_of_disk(error):
        cache = constants.HF_HUB_CACHE
        fix = f"make room, or make {cache} writable for user {os.geteuid()}, or name another folder in HF_HOME."
        return Problem(f"{error.filename or cache} can't be written: {error.strerror}.", fix)
    return Problem(
        f"{model} can't be had: the hub at {constants.ENDPOINT} can't be reached, and the cache"
        f" {constants.HF_HUB_CACHE} does not have all of it.\n  {line(error)}",
        "check the network, HTTPS_PROXY, HF_ENDPOINT (a mirror), and SSL_CERT_FILE for a company's own certificates;\n"
        "or fill the cache on another machine (`hf download`) and bring it here. The same command goes on from here.",
    )


def not_cached(model: str, revision: str) -> Problem:
    """The model is not complete in the cache, and the hub must not be asked."""
    return Problem(
        f"{model} ({revision}) is not complete in the cache {constants.HF_HUB_CACHE}, and HF_HUB_OFFLINE=1 forbids to ask"
        " the hub.",
        "unset HF_HUB_OFFLINE (and TRANSFORMERS_OFFLINE); or fill the cache on another machine (`hf download`), bring it\n"
        "here, and name its folder in HF_HOME.",
    )


def _refused(error: Exception, model: str, revision: str | None, *, has_token: bool) -> Problem | None:
    match error:
        case GatedRepoError() if has_token:
            fix = f"accept the conditions at {_page(model)} with the account of the token, and wait for the owner's\n"
            fix += "consent if the page says so; a fine-grained token also needs the right to read gated repositories."
            return Problem(f"{model} is gated, and the account of the token has no access to it.", fix)
        case GatedRepoError():
            fix = f"accept the conditions at {_page(model)}, and {_CREDENTIALS}."
            return Problem(f"{model} is gated: its owner wants a licence accepted first.", fix)
        case DisabledRepoError():
            return Problem(f"{model} is disabled on the hub.", f"{_page(model)} may say why; choose another model.")
        case RevisionNotFoundError():
            return Problem(f"{model} has no revision {revision!r}.", f"choose one of {_page(model)}/commits.")
        case HFValidationError():
            return Problem(f"{model} is no name of a model of the hub.", "write owner/name: MODEL=Qwen/Qwen3-0.6B.")
        case HfHubHTTPError() if _is_missing(error, has_token=has_token):
            private = "check what the token may read" if has_token else _CREDENTIALS
            fix = f"check the name (owner/name) at {_page(model)}; if it is private,\n{private}."
            return Problem(f"The hub has no model {model}, or it is private.", fix)
        case HfHubHTTPError() if _status(error) == _UNAUTHORIZED:
            fix = "make a new one at https://huggingface.co/settings/tokens; without any, public models can be had."
            return Problem("The hub does not accept the token: it is wrong, or has expired.", fix)
        case HfHubHTTPError() if _status(error) == _FORBIDDEN:
            return Problem(f"The token may not read {model}.", "give it the right to read that repository.")
        case HfHubHTTPError() if _status(error) == _TOO_MANY:
            return Problem("The hub has had too many requests from here.", f"wait some minutes; or {_CREDENTIALS}.")
        case _:
            return None


def _is_missing(error: Exception, *, has_token: bool) -> bool:
    """To those without a token the hub says 401 of a model that it does not have."""
    return isinstance(error, RepositoryNotFoundError) or (_status(error) == _UNAUTHORIZED and not has_token)


def _is_of_disk(error: Exception) -> bool:
    return isinstance(error, OSError) and error.errno in _DISK


def _status(error: Exception) -> int:
    """The HTTP status; 0 where the error has none."""
    return int(getattr(getattr(error, "response", None), "status_code", 0))


def _page(model: str) -> str:
    return f"{constants.ENDPOINT}/{model}"


def line(error: Exception) -> str:
    """What kind of error it is, and the first line of its message that says something."""
    lines = (line.strip() for line in str(error).splitlines())
    return f"{type(error).__name__}: {next((line for line in lines if line), 'no message')}"
