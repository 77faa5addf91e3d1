"""`make conformance`: clients of other people's against the gateway, and docs/conformance.md written from what they said.

With CONFORMANCE_BASE_URL they go to that server instead, and the tables are only printed; see target.py for its models.
"""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager

from benchmarks.processes import work_folder
from gateway.cli.errors import Problem
from tests.conformance import page, serving, suites
from tests.conformance.target import Target


def main() -> int:
    told = Target.told()
    if told is not None and not told.model:
        sys.stderr.write("CONFORMANCE_MODEL must name a model of that server\n")
        return 1
    try:
        environments = suites.environments()
    except Problem as problem:
        sys.stderr.write(f"{problem}\n")
        return 1
    with _target(told) as target:
        results = [suites.run(suite, target, environments) for suite in suites.SUITES]
    sys.stdout.write(page.tables(results))
    if told is None:
        page.TARGET.write_text(page.page(results), encoding="utf-8")
    return 0 if all(result.passed and not result.failed for result in results) else 1


@contextmanager
def _target(told: Target | None) -> Generator[Target, None, None]:
    if told is not None:
        yield told
        return
    with work_folder() as folder, serving.target(folder) as target:
        yield target


if __name__ == "__main__":
    sys.exit(main())
