"""Twin of gateway/cli/setup/constraints.py."""

import pytest

from gateway.cli.setup.constraints import allows


@pytest.mark.parametrize(
    "constraint",
    ["torch<=2.14.1", "torch==2.13.0", "torch==2.13", "Torch >= 2, < 3", "torch!=2.12.0", "torch>2.9", "torch<2.13.1"],
)
def test_allowed(constraint: str):
    """Releases are compared as numbers, and the local part of the version counts for nothing."""
    assert allows(constraint, "torch", "2.13.0+cpu") is True


@pytest.mark.parametrize(
    "constraint", ["torch<=2.9.1", "torch==2.14.1", "torch<2.13", "torch>2.13.0", "torch!=2.13", "torch>=2,<2.13"]
)
def test_forbidden(constraint: str):
    """By any of its clauses."""
    assert allows(constraint, "torch", "2.13.0+cpu") is False


@pytest.mark.parametrize(
    "constraint",
    [
        "torch==2.13.*",
        "torch~=2.9",
        "torch===2.9",
        "torch<2.13.0rc1",
        "torch==2.13.0+cu130",
        "torch<2; python_version < '3.12'",
        "torch @ https://mirror.example/torch.whl",
        "torch",
        "torchvision<=0.20",
    ],
)
def test_uncertain(constraint: str):
    """What is not plain, or about another package, is left to whoever reads pip's words."""
    assert allows(constraint, "torch", "2.13.0+cpu") is None


def test_a_version_that_is_no_release_is_uncertain():
    """Its order has rules of its own."""
    assert allows("torch<=2.14", "torch", "2.13.0rc1") is None


def test_spellings_of_a_name_are_one():
    """pip shows the constraint's spelling as its writer left it."""
    assert allows("Typing_Extensions<4", "typing-extensions", "4.16.0") is False
