"""docs/conformance.md from the results of a run."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence

from gateway.cli.layout import find_layout
from tests.conformance.suites import Result

TARGET = find_layout().root / "docs" / "conformance.md"

_INTRODUCTION = """\
# Conformance

Clients of other people's, unchanged, against the gateway. Written by `make conformance` from what they said in a run on
{date}; the tests are in `tests/conformance/`, and LangChain's are its own. The gateway stands before a real Triton. Its
language models play scripted texts there, in the forms that vLLM's parsers `hermes` and `deepseek_r1` read, so what is shown
is the wire and not how clever a model is; the embedder is the real one. Another server, also one with a real model, is
tried with `CONFORMANCE_BASE_URL` and `CONFORMANCE_MODEL` (`CONFORMANCE_REASONING_MODEL`, `CONFORMANCE_EMBEDDING_MODEL`,
`CONFORMANCE_API_KEY`, and `CONFORMANCE_TOKENIZER`, a folder, for the load generators); then the tables are only printed.
"""


def page(results: Sequence[Result]) -> str:
    """The page, of a run against the gateway."""
    return _INTRODUCTION.format(date=time.strftime("%Y-%m-%d", time.gmtime())) + "\n" + tables(results)


def tables(results: Sequence[Result]) -> str:
    """What the suites said, of whatever server."""
    parts = [
        "| suite | versions | passed | skipped | failed |\n| --- | --- | --- | --- | --- |\n"
        + "\n".join(_row(result) for result in results)
        + "\n",
        *_lists("Failed", {result.suite.title: result.failed for result in results}),
        *_lists("Skipped", {result.suite.title: result.skipped for result in results}),
    ]
    return "\n".join(parts)


def _row(result: Result) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in result.versions.items())
    return f"| {result.suite.title} | {versions} | {result.passed} | {len(result.skipped)} | {len(result.failed)} |"


def _lists(title: str, told: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    lines = [
        f"* {suite}: `{name}`: {reason}" for suite, reasons in told.items() for name, reason in sorted(reasons.items())
    ]
    if lines:
        yield f"## {title}\n"
        yield "\n".join(lines) + "\n"
