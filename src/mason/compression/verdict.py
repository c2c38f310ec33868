"""Whether a smaller model is good enough: the drop, what is known of it, and the other limits."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mason.language import say
from mason.metrics.comparison import Difference, mcnemar, paired_bootstrap, rows_needed

Correct = NDArray[np.bool_]
CONFIDENCE = 0.9
"""Of the two-sided interval, so that its lower end is passed once in twenty (non-inferiority)."""


@dataclass(frozen=True)
class Budget:
    """What a smaller model has to keep to.

    Attributes:
        max_drop: Most accuracy to lose, 0 to 1.
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
        difference: Its accuracy minus the original's, with its interval.
        p_value: McNemar's, of "both are equally good".
        hopeful: Whether the estimate is inside the budget.
        accepted: Whether it stays inside the budget, proven where that is asked for.
        sentence: Why.
    """

    difference: Difference
    p_value: float
    hopeful: bool
    accepted: bool
    sentence: str


def judge_drop(original: Correct, smaller: Correct, budget: Budget) -> Verdict:
    """Hold which rows both get right against the budget [rows]."""
    found = paired_bootstrap(original, smaller, confidence=CONFIDENCE)
    p_value = mcnemar(original, smaller)
    if found.value < -budget.max_drop:
        sentence = say("loses {drop} points", drop=_points(-found.value))
        return Verdict(found, p_value, False, False, sentence)
    if found.low >= -budget.max_drop:
        return Verdict(found, p_value, True, True, say("inside the budget"))
    needed = rows_needed(found.value + budget.max_drop or 1e-3, np.mean(original != smaller).item())
    sentence = say(
        "a drop of {drop} points is not excluded by {rows} rows; about {needed} would tell",
        drop=_points(-found.low),
        rows=f"{len(original):,}",
        needed=f"{max(needed, len(original) + 1):,}",
    )
    return Verdict(found, p_value, True, not budget.proven, sentence)


def _points(share: float) -> str:
    return f"{100 * share:.1f}"
