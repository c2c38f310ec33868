"""Models side by side on the same rows, and what the rows can and cannot tell of them."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from mason.language import say
from mason.metrics import (
    Difference,
    Estimate,
    holm,
    paired_bootstrap,
    paired_test,
    right_or_wrong,
    smallest_detectable_difference,
)
from mason.metrics.groups import Groups
from mason.metrics.texts import mean_estimate

_SURE = 0.05


@dataclass(frozen=True)
class Standing:
    """A model among others.

    Attributes:
        model: Its name.
        score: Mean over rows, with its bootstrap interval.
        difference: From the first model's, row by row; None for the first.
        p_value: Of "as good as the first": McNemar's mid-p where rows are right or wrong and
            each alone, else a permutation test.
        adjusted: The same after Holm (1979), who lets one family of tests in 20 err.
        smallest: The difference these rows would have shown 4 times in 5, where rows are
            right or wrong and each alone.
    """

    model: str
    score: Estimate
    difference: Difference | None = None
    p_value: float | None = None
    adjusted: float | None = None
    smallest: float | None = None

    @property
    def sentence(self) -> str:
        """What the rows prove of it beside the first; nothing for the first."""
        if self.difference is None or self.adjusted is None:
            return ""
        if self.adjusted < _SURE and self.difference.value > 0:
            return say("{model} is better than the first.", model=self.model)
        if self.adjusted < _SURE:
            return say("{model} is worse than the first.", model=self.model)
        if self.smallest is None:
            return say("{model}: no proof of a difference.", model=self.model)
        return say(
            "{model}: no proof of a difference; these rows show one of {points:.1f} points or "
            "more, four times in five.",
            model=self.model,
            points=self.smallest * 100,
        )


@dataclass(frozen=True)
class Contest:
    """Models by the order they were given in, on so many rows; ``score`` is named as in reports."""

    score: str
    rows: int
    standings: list[Standing]

    @classmethod
    def of(
        cls, score: str, names: Sequence[str], marks: Sequence[np.ndarray], groups: Groups | None
    ) -> "Contest":
        """The others beside the first.

        Args:
            score: Its name.
            names: Of the models.
            marks: What each row is worth of each model, [rows] a model.
            groups: What each row belongs to where those of one are alike; None: each is alone.
        """
        first = marks[0]
        others = zip(names[1:], marks[1:], strict=True)
        told = [_beside(first, each, name, groups) for name, each in others]
        adjusted = holm([s.p_value for s in told if s.p_value is not None])
        told = [replace(s, adjusted=p) for s, p in zip(told, adjusted, strict=True)]
        standings = [Standing(names[0], mean_estimate(first, groups)), *told]
        return cls(score, len(first), standings)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        sentences = [one.sentence for one in self.standings[1:]]
        return {**asdict(self), "sentences": sentences}


def _beside(first: np.ndarray, other: np.ndarray, name: str, groups: Groups | None) -> Standing:
    smallest = None
    if groups is None and right_or_wrong(first, other):
        smallest = smallest_detectable_difference(len(first), float((first != other).mean()))
    p_value = paired_test(first, other, groups=groups, mid_p=True)
    difference = paired_bootstrap(first, other, groups=groups)
    return Standing(name, mean_estimate(other, groups), difference, p_value, smallest=smallest)
