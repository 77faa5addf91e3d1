"""Twin of gateway/cli/setup/pip_failures.py: over what pip prints; test_pip.py has the rest."""

import sys
from pathlib import Path

import pytest

from gateway.cli import choose_python
from gateway.cli.setup import pip_failures

CONFLICT = """\
ERROR: Cannot install {wanted} because these package versions have conflicting dependencies.

The conflict is caused by:
    The user requested {wanted}
    The user requested (constraint) {constraint}

ERROR: ResolutionImpossible: for help visit https://pip.pypa.io/en/latest/topics/dependency-resolution/
"""


def conflict(wanted: str, constraint: str) -> list[str]:
    """What pip prints."""
    return CONFLICT.format(wanted=wanted, constraint=constraint).splitlines()


TORCH = conflict("torch==2.13.0+cpu", "torch<=2.14.1")
NUMPY = conflict("numpy==1.26.4", "numpy>=2")
LOG = Path("pip.log")


def test_torch_under_a_constraint_that_allows_it_is_missing_torch():
    """pip calls it a conflict, but the index is what lacks it."""
    assert pip_failures.lacks_torch(TORCH)
    assert not pip_failures.lacks_torch(NUMPY)
    minor = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert pip_failures.cause(TORCH) == f"it finds no torch==2.13.0+cpu for Python {minor}"
    told = pip_failures.advice(TORCH, LOG)
    assert "TORCH_CPU_INDEX" in told
    assert "constraint" not in told


def test_torch_under_a_constraint_that_forbids_it_needs_no_other_index():
    """An empty PIP_CONSTRAINT would leave that of a configuration file in force."""
    lines = ["Max retries exceeded", *conflict("torch==2.13.0+cpu", "torch<2.13")]
    assert not pip_failures.lacks_torch(lines)
    assert not pip_failures.is_passing(lines)
    assert pip_failures.cause(lines) == "the constraint torch<2.13 forbids torch==2.13.0+cpu"
    assert pip_failures.advice(lines, LOG) == "ignore pip's constraints: PIP_CONSTRAINT=/dev/null make up"


def test_torch_under_a_constraint_that_is_not_plain_may_be_either():
    """pip's own words are shown, the other index is asked, and the advice has both."""
    lines = conflict("torch==2.13.0+cpu", "torch~=2.9")
    assert pip_failures.lacks_torch(lines)
    assert pip_failures.cause(lines) is None
    told = pip_failures.advice(lines, LOG)
    assert "TORCH_CPU_INDEX" in told
    assert "If the constraint torch~=2.9 forbids that version" in told
    assert "PIP_CONSTRAINT=/dev/null make up" in told


def test_advice_for_torch_names_another_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The folder or the index at hand may have the wheel for that."""
    other = next(minor for minor in choose_python.MINORS if minor != sys.version_info.minor)
    program = tmp_path / f"python3.{other}"
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    assert "PYTHON=" not in pip_failures.advice(TORCH, LOG)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    assert f"make up PYTHON={program}" in pip_failures.advice(TORCH, LOG)


def test_advice_for_torch_says_what_its_index_did():
    """It could not be reached, or it has no wheel for this Python."""
    assert "can't be reached from here" in pip_failures.advice(["Max retries exceeded with url: /whl/cpu", *TORCH], LOG)
    assert "has torch's +cpu wheels for this Python" in pip_failures.advice(TORCH, LOG)


def test_telling_lines_are_the_conflict():
    """pip's hints are for those who choose versions, and here a lock does."""
    hints = ["To fix this you could try to:", "1. loosen the range of package versions you've specified", ""]
    lines = pip_failures.telling(["WARNING: Retrying (Retry(total=4))", *TORCH, *hints])
    assert lines == [line for line in TORCH if line]


def test_a_constraint_on_another_package_is_named():
    """Another index would not help."""
    assert pip_failures.cause(NUMPY) == "the constraint numpy>=2 forbids numpy==1.26.4"
    told = pip_failures.advice(NUMPY, LOG)
    assert "PIP_CONSTRAINT" in told
    assert "TORCH_CPU_INDEX" not in told


def test_a_doubtful_constraint_on_another_package_is_named():
    """With pip's own words before it."""
    lines = conflict("numpy==1.26.4", "numpy~=2.0")
    assert pip_failures.cause(lines) is None
    assert "numpy~=2.0" in pip_failures.advice(lines, LOG)


def test_an_untrusted_index_is_no_missing_package():
    """pip says both."""
    assert pip_failures.cause(["certificate verify failed", "No matching distribution found for a==1"]) is None


def test_advice_without_a_constraint_names_none():
    """It would lead away from the index."""
    told = pip_failures.advice(["ERROR: No matching distribution found for torch==2.13.0+cpu"], LOG)
    assert "constraint" not in told


@pytest.mark.parametrize(
    "line",
    [
        "SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed'))",
        "OSError: Could not find a suitable TLS CA certificate bundle, invalid path: /nowhere.pem",
    ],
)
def test_untrusted_index_asks_for_authorities(line: str, monkeypatch: pytest.MonkeyPatch):
    """It is not tried again, since nothing would change; what is set is shown."""
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere.pem")
    monkeypatch.delenv("PIP_CERT", raising=False)
    lines = ["WARNING: Connection broken", "Max retries exceeded", line]
    assert not pip_failures.is_passing(lines)
    assert "(SSL_CERT_FILE is /nowhere.pem)" in pip_failures.advice(lines, LOG)


def test_broken_network_is_tried_again():
    """A missing package is not."""
    assert pip_failures.is_passing(["ReadTimeoutError: Read timed out."])
    assert not pip_failures.is_passing(["Max retries exceeded", *TORCH])


def test_index_is_the_one_that_is_named(monkeypatch: pytest.MonkeyPatch):
    """PyTorch's own unless it is."""
    monkeypatch.delenv("TORCH_CPU_INDEX", raising=False)
    assert pip_failures.torch_index() == pip_failures.TORCH_CPU_INDEX
    monkeypatch.setenv("TORCH_CPU_INDEX", "https://mirror.example/cpu")
    assert pip_failures.torch_index() == "https://mirror.example/cpu"
