"""A host with a recorded `nvidia-smi`."""

from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.cli.gpus import nvidia_smi
from gateway.cli.gpus.nvidia_smi import Report
from tests.gateway.cli.gpus import recorded


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Report]:
    """Asks a host whose nvidia-smi gives this recorded answer."""

    def asking(answer: str, table: str = "table.txt", listing: str = "a100_mig_listing.txt") -> Report:
        recorded.install(tmp_path, answer, table, listing)
        monkeypatch.setenv("PATH", str(tmp_path))
        return nvidia_smi.ask()

    return asking
