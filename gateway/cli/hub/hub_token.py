"""The token with which the hub is asked: the variable HF_TOKEN, or the file HF_TOKEN_PATH."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from gateway.cli.errors import Problem

_TOKEN = re.compile(r"[!-~]+", re.ASCII)


def read(environment: Mapping[str, str]) -> str | None:
    """The token; None where there is none, or an empty one. A byte order mark and line ends are no part of it.

    Raises Problem for a file that can't be read, and for what is no token.
    """
    if token := environment.get("HF_TOKEN", "").strip():
        return _checked(token, "HF_TOKEN")
    path = _path(environment)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError as error:
        raise Problem(f"The token file {path} is not text.", "write nothing but the token into it.") from error
    except OSError as error:
        raise _unreadable(path, error) from error
    return _checked(text.strip(), str(path)) if text.strip() else None


def _path(environment: Mapping[str, str]) -> Path:
    """As huggingface_hub has it."""
    if given := environment.get("HF_TOKEN_PATH"):
        return Path(given).expanduser()
    if home := environment.get("HF_HOME"):
        return Path(home).expanduser() / "token"
    return Path(environment.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "huggingface" / "token"


def _checked(token: str, place: str) -> str:
    if not _TOKEN.fullmatch(token):
        raise Problem(f"What {place} holds is no token.", "write one token (hf_…) into it, and nothing else.")
    return token


def _unreadable(path: Path, error: OSError) -> Problem:
    if isinstance(error, IsADirectoryError):
        fix = "name a file. Docker makes a folder where the file of a bind mount or secret is missing on the host."
        return Problem(f"The token file {path} is a folder.", fix)
    try:
        there = path.stat()
    except OSError:
        owned = "its folder can't be entered"
    else:
        owned = f"it has mode {there.st_mode & 0o777:04o} and belongs to user {there.st_uid}"
    return Problem(
        f"The token file {path} must be readable for user {os.geteuid()}: {owned}.",
        "chmod it, or give it to that user. The file of a Compose secret keeps the mode and owner that it has on the host.",
    )
