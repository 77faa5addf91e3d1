"""The documentation says what the code says."""

from __future__ import annotations

import json
import re
from pathlib import Path

from docs import compatibility, settings_table
from gateway.version import VERSION

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def test_settings_page_is_fresh() -> None:
    """`make docs` would write the page that is there."""
    assert settings_table.TARGET.read_text(encoding="utf-8") == settings_table.table()


def test_compatibility_page_is_fresh() -> None:
    """And the page of fields, after any change of the schemas."""
    assert compatibility.TARGET.read_text(encoding="utf-8") == compatibility.page()


def test_conformance_page_tells_of_the_locked_clients() -> None:
    """Every version in its table is one that a lock names: after an update `make conformance` has to be run again."""
    table = re.findall(r"^\|[^|]+\|([^|]+)\| \d", (ROOT / "docs" / "conformance.md").read_text("utf-8"), re.MULTILINE)
    told = {tuple(package.split()) for cell in table for package in cell.strip().split(", ")}
    kinds = ("conformance-*.txt", "dev-*.txt", "vllm_custom-*.txt")
    locks = [lock for kind in kinds for lock in (ROOT / "requirements").glob(kind)]
    locked = {found for lock in locks for found in re.findall(r"^([\w.-]+)==(\S+)", lock.read_text(), re.MULTILINE)}
    manifest = json.loads((ROOT / "tests" / "conformance" / "node" / "package.json").read_text())
    assert told
    assert not told - locked - set(manifest["dependencies"].items())


def test_changelog_has_this_version() -> None:
    """The newest released version of the changelog is the version of the package."""
    released = re.findall(r"^## \[(\d+\.\d+\.\d+)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert released[0] == VERSION


def test_named_files_exist() -> None:
    """Every source file that a page names is there."""
    missing: list[str] = []
    for page in PAGES:
        named = re.findall(r"`((?:gateway|triton_backend|tests|docs)/[\w/.]+\.(?:py|md))`", page.read_text("utf-8"))
        missing += [f"{page.name}: {name}" for name in named if not (ROOT / name).exists()]
    assert not missing


def test_links_lead_somewhere() -> None:
    """Every relative link of a page has a target."""
    missing: list[str] = []
    for page in PAGES:
        links = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text("utf-8"))
        missing += [f"{page.name}: {link}" for link in links if not (page.parent / link).exists()]
    assert not missing
