"""hadolint reads the Dockerfiles."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.deploy.tools import ROOT, installed, run


@pytest.mark.parametrize("path", sorted((ROOT / "docker").glob("*.Dockerfile")), ids=lambda path: path.name)
def test_dockerfile_is_clean(path: Path) -> None:
    """Also the shell in its RUN lines. What is ignored says so in its line."""
    assert run(installed("hadolint"), str(path)).stdout == ""
