"""Twin of gateway/cli/setup/pip_failures.py: over what pip prints; test_pip.py has the rest."""

from pathlib import Path

import pytest

from gateway.cli.setup import pip_failures

CONFLICT = """\
ERROR: Cannot install {wanted} because these package versions have conflicting dependencies.

The conflict is caused by:
    The user requested {wanted}
    The user requested (constraint) {constraint}

ERROR: ResolutionImpossible: for help visit https://pip.pypa.io/en/latest/topics/dependency-resolution/
"""
TORCH = CONFLICT.format(wanted="torch==2.13.0+cpu", constraint="torch<=2.14.1").splitlines()
NUMPY = CONFLICT.format(wanted="numpy==1.26.4", constraint="numpy>=2").splitlines()
LOG = Path("pip.log")


def test_torch_under_a_constraint_is_missing_torch():
    """pip calls it a conflict even where the constraint allows the version, and the index is what lacks it."""
    assert pip_failures.lacks_torch(TORCH)
    assert not pip_failures.lacks_torch(NUMPY)


def test_advice_for_torch_names_index_and_constraint():
    """Either can be the reason. An empty PIP_CONSTRAINT would leave that of a configuration file in force."""
    told = pip_failures.advice(TORCH, LOG)
    assert "TORCH_CPU_INDEX" in told
    assert "torch<=2.14.1" in told
    assert "PIP_CONSTRAINT=/dev/null make up" in told


def test_advice_for_torch_says_what_its_index_did():
    """It could not be reached, or it has no wheel for this Python."""
    assert "can't be reached from here" in pip_failures.advice(["Max retries exceeded with url: /whl/cpu", *TORCH], LOG)
    assert "has torch's +cpu wheels for this Python" in pip_failures.advice(TORCH, LOG)


def test_telling_lines_are_the_conflict():
    """pip's hints are for those who choose versions, and here a lock does."""
    hints = ["To fix this you could try to:", "1. loosen the range of package versions you've specified", ""]
    lines = pip_failures.telling(["WARNING: Retrying (Retry(total=4))", *TORCH, *hints])
    assert lines == [line for line in TORCH if line]


def test_advice_for_another_package_names_the_constraint():
    """Another index would not help."""
    told = pip_failures.advice(NUMPY, LOG)
    assert "numpy>=2" in told
    assert "TORCH_CPU_INDEX" not in told


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
