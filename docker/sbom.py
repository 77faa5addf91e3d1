"""Writes what our images add to their bases, as CycloneDX: `make sbom`.

A file dist/sbom-<image>.json for each image, made from the lock files that its Dockerfile installs. What the base image
holds is not in it: ask the registry of the base, or a scanner that reads the built image.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from gateway.version import VERSION

ROOT = Path(__file__).resolve().parents[1]
DIST = ROOT / "dist"
IMAGES = {
    "gateway": ("gateway-py312",),
    "triton": ("gateway-py312",),
    "triton-cpu": ("gateway-py311", "vllm_custom-py311", "pytorch-py311", "triton"),
}
"""The locks of each image, for the Python of the base that compose.yaml names."""


def main() -> None:
    """Write all of them."""
    DIST.mkdir(exist_ok=True)
    for image, locks in IMAGES.items():
        target = DIST / f"sbom-{image}.json"
        target.write_text(json.dumps(describe(image, locks), indent=2) + "\n")
        sys.stdout.write(f"{target.relative_to(ROOT)}\n")


def describe(image: str, locks: tuple[str, ...]) -> dict[str, Any]:
    """The bill of materials of an image, the same for the same locks. A test holds it against CycloneDX's schema."""
    bill = json.loads(_cyclonedx(_joined(locks)))
    component = {"bom-ref": "image", "type": "container", "name": f"triton-gateway/{image}", "version": VERSION}
    bill["metadata"]["component"] = component
    return bill


def _joined(locks: tuple[str, ...]) -> str:
    """Their packages, each once: environments share some."""
    packages = {block: None for lock in locks for block in _blocks(ROOT / "requirements" / f"{lock}.txt")}
    return "".join(packages)


def _blocks(lock: Path) -> list[str]:
    """A package with its hashes, as it stands in the lock."""
    blocks: list[str] = []
    for line in lock.read_text().splitlines(keepends=True):
        if line.startswith(" "):
            blocks[-1] += line
        elif not line.startswith("#"):
            blocks.append(line)
    return blocks


def _cyclonedx(requirements: str) -> bytes:
    program = Path(sys.executable).with_name("cyclonedx-py")
    command = [program, "requirements", "--no-validate", "--output-reproducible", "-"]
    return subprocess.run(command, input=requirements.encode(), capture_output=True, check=True).stdout


if __name__ == "__main__":
    main()
