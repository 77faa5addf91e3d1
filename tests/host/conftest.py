"""Every test here needs root on Linux. In CI a test that is skipped has failed: nobody would notice otherwise."""

from __future__ import annotations

import os
import shutil
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.host.hosts import ROOT, Checkout

HERE = Path(__file__).parent
COPIED = ("gateway", "requirements", "model_repository", "triton_backend", "Makefile")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of this folder are marked `host`."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.host)
            item.add_marker(pytest.mark.timeout(60))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With CI=true a skip is a failure."""
    report = yield
    if report.skipped and os.environ.get("CI") == "true":
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, and in CI every test of tests/host has to run: {report.longrepr}"
    return report


@pytest.fixture(autouse=True)
def _root() -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root")


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """A copy without a set-up."""
    return copy_to(tmp_path / "checkout")


def copy_to(folder: Path) -> Checkout:
    """Copy what `up` and `doctor` read."""
    folder.mkdir(parents=True)
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(
                source, folder / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__", "weights")
            )
        else:
            shutil.copy2(source, folder)
    return Checkout(folder)
