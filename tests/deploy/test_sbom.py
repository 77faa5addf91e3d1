"""The bills of materials: valid, complete, and of the images that are built."""

from __future__ import annotations

import json
import re

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from docker.sbom import IMAGES, describe
from tests.deploy.tools import ROOT

every_image = pytest.mark.parametrize("image", IMAGES)


def test_every_image_has_one() -> None:
    assert {path.name.removesuffix(".Dockerfile") for path in (ROOT / "docker").glob("*.Dockerfile")} == set(IMAGES)


@pytest.mark.timeout(90)  # the validator alone takes seconds of computing
def test_bill_is_valid() -> None:
    """By CycloneDX's own schema; the bills differ in their packages only."""
    bill = json.dumps(describe("gateway", IMAGES["gateway"]))
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(bill) is None


@every_image
def test_bill_has_every_package_of_the_locks_once(image: str) -> None:
    components = describe(image, IMAGES[image])["components"]
    listed = [(each["name"].lower(), each["version"], _hashes(each)) for each in components]
    locks = "".join((ROOT / "requirements" / f"{lock}.txt").read_text() for lock in IMAGES[image])
    locked = re.findall(r"^([\w.-]+)==([^\s;]+)((?: \\\n\s+--hash=sha256:\w+)+)", locks, re.MULTILINE)
    assert len(listed) == len(set(listed))
    assert set(listed) == {(name, version, _words(hashes)) for name, version, hashes in locked}


def test_locks_are_those_that_dockerfiles_install() -> None:
    """For the Python of the base image that is named where the image is built."""
    gateway = (ROOT / "docker" / "gateway.Dockerfile").read_text()
    assert IMAGES["gateway"] == (f"gateway-py{_minor(gateway)}",)
    minor = _minor((ROOT / "compose.cpu.yaml").read_text())
    assert all(lock.endswith(f"-py{minor}") or lock == "triton" for lock in IMAGES["triton-cpu"])


def _minor(text: str) -> str:
    [found] = set(re.findall(r"\bpython:3\.(\d+)\.\d+-slim", text))
    return f"3{found}"


def _words(hashes: str) -> frozenset[str]:
    return frozenset(re.findall(r"sha256:(\w+)", hashes))


def _hashes(component: dict[str, object]) -> frozenset[str]:
    references = component["externalReferences"]
    assert isinstance(references, list)
    return frozenset(each["content"] for reference in references for each in reference["hashes"])
