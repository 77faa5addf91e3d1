"""What the pairs of figures of two versions say: the median of their ratios, its confidence interval, a verdict.

Nothing is assumed of how ratios spread on a busy machine but that rounds do not know of each other. So the interval is the
distribution-free one: each of n ratios lies below the true median with a chance of one half, hence the number that do is
binomial, and the true median lies outside of the (k+1)th least and the (k+1)th greatest with the chance 2 P(B(n, 1/2) <= k).
(E. L. Lehmann, Nonparametrics: Statistical Methods Based on Ranks, 1975, pages 182 and 183; W. J. Conover, Practical
Nonparametric Statistics, third edition, 1999.) Of 15 ratios it is the fourth least and the fourth greatest.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from math import comb

LIMIT = 1.05
"""A version fails when even the lower end of the interval is above this."""

CONFIDENCE = 0.95
FEWEST = 6
"""With fewer pairs not even the least and the greatest of them are an interval of that confidence."""


@dataclass(frozen=True)
class Pair:
    """What both versions took of the same load in the same round."""

    base: float
    head: float

    @property
    def ratio(self) -> float:
        """Above one where the head takes more."""
        return self.head / self.base


@dataclass(frozen=True)
class Ratio:
    """Head to base: the median of the rounds, and the ends of its interval."""

    median: float
    low: float
    high: float

    @property
    def fails(self) -> bool:
        """Whether the head takes more than it may, beyond what chance explains."""
        return self.low > LIMIT

    @property
    def verdict(self) -> str:
        """In a few words."""
        if self.fails:
            return "FAILS"
        if self.low > 1:
            return "passes, takes more"
        return "passes, takes less" if self.high < 1 else "passes"


def ratio(pairs: Sequence[Pair]) -> Ratio:
    """Of all rounds. Raises ValueError when there are fewer than FEWEST."""
    ordered = sorted(pair.ratio for pair in pairs)
    beyond = _left_out(len(ordered))
    return Ratio(statistics.median(ordered), ordered[beyond], ordered[-1 - beyond])


def _left_out(count: int) -> int:
    """How many ratios at either end the interval may leave out."""
    if count < FEWEST:
        raise ValueError(f"{count} pairs have no interval of {CONFIDENCE:.0%}; {FEWEST} have")
    return max(k for k in range(count // 2) if _outside(count, k) <= 1 - CONFIDENCE)


def _outside(count: int, left_out: int) -> float:
    """The chance that the true median is not between the ends."""
    return 2 * sum(comb(count, k) for k in range(left_out + 1)) / 2**count
