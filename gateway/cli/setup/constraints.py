"""Which of pip's constraints forbid a version: as far as that is certain, because pip's own words do not say.

pip reports a conflict with a constraint also where the constraint allows the version, and the index lacks it.
"""

import operator
import re
from collections.abc import Callable, Mapping
from typing import Final

_CONSTRAINT: Final = re.compile(r"([\w.-]+?)\s*((?:[=<>!]=|[<>]).*)")
_CLAUSE: Final = re.compile(r"([=<>!]=|[<>])\s*(\d+(?:\.\d+)*)")
_VERSION: Final = re.compile(r"(\d+(?:\.\d+)*)(?:\+[\w.]+)?")

_Release = tuple[int, ...]
_COMPARE: Final[Mapping[str, Callable[[_Release, _Release], bool]]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}


def allows(constraint: str, name: str, version: str) -> bool | None:
    """Whether `constraint`, such as `torch>=2,<3`, allows this version of the package; None if that is not certain.

    A local part such as `+cpu` counts for nothing, because it does not in a constraint without one. What is not a plain
    comparison of releases is uncertain: `~=`, `2.*`, markers, addresses, pre-releases.
    """
    package, release = _CONSTRAINT.fullmatch(constraint), _VERSION.fullmatch(version)
    if not package or not release or _same_spelling(package[1]) != _same_spelling(name):
        return None
    clauses = [_CLAUSE.fullmatch(clause.strip()) for clause in package[2].split(",")]
    if not all(clauses):
        return None
    return all(_COMPARE[clause[1]](_numbers(release[1]), _numbers(clause[2])) for clause in clauses if clause)


def _same_spelling(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _numbers(release: str) -> _Release:
    """Without zeros at the end: 2.13 is 2.13.0."""
    return tuple(map(int, re.sub(r"(\.0+)+$", "", release).split(".")))
