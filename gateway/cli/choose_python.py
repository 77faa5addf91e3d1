"""Switch to a supported Python if this one is not supported. Old syntax only: an unsupported Python must parse it."""

# pyright: reportTypeCommentUsage=false

import glob
import os
import shutil
import subprocess
import sys

MINORS = (12, 11)
"""The supported minor versions of Python 3, the preferred one first: Triton's stub needs NumPy 1.26, which has no wheel
for 3.13, and the gateway needs 3.11."""


def ensure_supported():  # type: () -> None
    """Return if this Python is supported. Otherwise replace this process with a supported one, or exit with advice."""
    if sys.version_info[0] == 3 and sys.version_info[1] in MINORS:
        return
    current = "%d.%d" % sys.version_info[:2]  # noqa: UP031 - f-strings came with 3.6
    found = find_supported()
    if found is None:
        sys.stderr.write(refusal(current))
        sys.exit(1)
    sys.stderr.write("Python %s is not supported; going on with %s.\n" % (current, found))  # noqa: UP031
    os.execv(found, [found, "-m", "gateway.cli"] + sys.argv[1:])  # noqa: RUF005, S606


def find_supported(but=None):  # type: (int | None) -> str | None
    """A supported interpreter that really starts, on PATH or of pyenv, whose names on PATH start only the chosen version.

    `but` is a minor version that is not wanted.
    """
    for minor in MINORS:
        if minor == but:
            continue
        name = "python3.%d" % minor  # noqa: UP031
        for path in [shutil.which(name)] + _of_pyenv(name):  # noqa: RUF005
            if path and _starts(path):
                return path
    return None


def _of_pyenv(name):  # type: (str) -> list[str]
    root = os.environ.get("PYENV_ROOT") or os.path.join(os.path.expanduser("~"), ".pyenv")
    return sorted(glob.glob(os.path.join(root, "versions", "*", "bin", name)))


def refusal(current):  # type: (str) -> str
    """What to tell the user when there is no supported Python."""
    return (
        "Python " + current + " is not supported, and neither python3.12 nor python3.11 starts.\n"
        "  Why: Triton's Python stub needs NumPy 1.26, which has no wheel for Python 3.13; the gateway needs 3.11.\n"
        "  Fix: install Python 3.12 with its shared library and venv (Debian, Ubuntu: apt install python3.12-venv\n"
        "       libpython3.12; pyenv: PYTHON_CONFIGURE_OPTS=--enable-shared pyenv install 3.12), then\n"
        "       make up PYTHON=/path/to/python3.12\n"
    )


def _starts(path):  # type: (str) -> bool
    with open(os.devnull, "w") as nowhere:
        return subprocess.call([path, "-c", ""], stdout=nowhere, stderr=nowhere) == 0
