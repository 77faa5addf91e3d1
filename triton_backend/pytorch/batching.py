"""Joins the requests that Triton passes together into one call of the model. A request that breaks the call fails alone."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TypeVar

from .errors import AnswerError

Item = TypeVar("Item")
Answer = TypeVar("Answer")


def grouped(keys: Mapping[int, Hashable]) -> list[list[int]]:
    """Groups of positions with equal keys, in order."""
    groups: dict[Hashable, list[int]] = {}
    for position, key in keys.items():
        groups.setdefault(key, []).append(position)
    return list(groups.values())


def run_isolated(
    items: Sequence[Item], run: Callable[[Sequence[Item]], Sequence[Answer]]
) -> list[Answer | AnswerError]:
    """One answer per item, in order. An AnswerError that `run` raises affects only the items that cause it.

    A failed call is repeated for each half of its items: one bad item among n costs about 2 log2(n) further calls.
    """
    if not items:
        return []
    try:
        return list(run(items))
    except AnswerError as error:
        if len(items) == 1:
            return [error]
    middle = len(items) // 2
    return run_isolated(items[:middle], run) + run_isolated(items[middle:], run)
