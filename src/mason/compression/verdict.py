"""Whether a smaller model is good enough: the drop, what is known of it, and the other limits."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mason.language import say
from mason.metrics.comparison import (
    Difference,
    paired_bootstrap,
    paired_test,
    rows_needed,
)
from mason.metrics.groups import Groups, group_sums

Scores = NDArray[np.float64]
"""Of each row, the higher the better; 1 is a whole: right, or as far off as rows are apart."""
CONFIDENCE = 0.9
"""Of the two-sided interval, so that its lower end is passed once in twenty (non-inferiority)."""


@dataclass(frozen=True)
class Budget:
    """What a smaller model has to keep to.

    Attributes:
        max_drop: Most of the score to lose, 0 to 1: of accuracy, or what else rows are worth.
        proven: Whether the interval must exclude a larger drop, or the estimate is enough.
        size: Bytes on disk, or None.
        latency: Milliseconds for a text, or None.
    """

    max_drop: float
    proven: bool = True
    size: float | None = None
    latency: float | None = None

    def reached(self, num_bytes: float, milliseconds: float) -> bool:
        """Whether size and latency are what was asked for."""
        small = self.size is None or num_bytes <= self.size
        return small and (self.latency is None or milliseconds <= self.latency)


@dataclass(frozen=True)
class Verdict:
    """A smaller model beside the original on the same rows.

    Attributes:
        difference: Its score minus the original's, with its interval.
        p_value: Of "both are equally good", see ``paired_test``.
        hopeful: Whether the estimate is inside the budget.
        accepted: Whether it stays inside the budget, proven where that is asked for.
        sentence: Why.
    """

    difference: Difference
    p_value: float
    hopeful: bool
    accepted: bool
    sentence: str


def judge_drop(
    original: Scores, smaller: Scores, budget: Budget, groups: Groups | None = None
) -> Verdict:
    """Hold what the same rows are worth of both against the budget.

    Args:
        original: What rows are worth of it [rows].
        smaller: The same of the smaller one.
        budget: What it has to keep to.
        groups: What each row belongs to where those of one are alike; None: each is alone.
    """
    found = paired_bootstrap(original, smaller, groups=groups, confidence=CONFIDENCE)
    p_value = paired_test(original, smaller, groups=groups)
    if found.value < -budget.max_drop:
        sentence = say("loses {drop} points", drop=_points(-found.value))
        return Verdict(found, p_value, False, False, sentence)
    if found.low >= -budget.max_drop:
        return Verdict(found, p_value, True, True, say("inside the budget"))
    gains, sizes = group_sums(np.subtract(smaller, original, dtype=np.float64), groups)
    spread = float((gains**2).sum() / sizes.sum())  # rows that are alike tell less than others
    needed = rows_needed(found.value + budget.max_drop or 1e-3, spread)
    sentence = say(
        "a drop of {drop} points is not excluded by {rows} rows; about {needed} would tell",
        drop=_points(-found.low),
        rows=f"{len(original):,}",
        needed=f"{max(needed, len(original) + 1):,}",
    )
    return Verdict(found, p_value, True, not budget.proven, sentence)


def _points(share: float) -> str:
    return f"{100 * share:.1f}"
