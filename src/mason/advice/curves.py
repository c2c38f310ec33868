"""How much more labels would buy: a score on growing subsets, and the power law through it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mason.advice.asked import Asked
from mason.metrics.classification import Estimate
from mason.metrics.folds import Fit
from mason.metrics.groups import Groups, group_sums

_POWERS = np.linspace(0.1, 1.0, 19)
_RESAMPLES = 500
_FEWEST = 20
"""Rows from which a curve may begin."""


@dataclass(frozen=True)
class Curve:
    """Marks of rows when they were held out, for growing numbers of rows learned from.

    Attributes:
        sizes: Rows learned from, growing.
        marks: [sizes, rows], as ``Asked.marks`` gives them: 1 at best.
        groups: As of ``Asked``.
    """

    sizes: NDArray[np.int64]
    marks: NDArray[np.float64]
    groups: Groups | None = None

    @property
    def scores(self) -> NDArray[np.float64]:
        """[sizes]."""
        means: NDArray[np.float64] = self.marks.mean(axis=1)
        return means


def learning_curve(
    asked: Asked,
    fit: Fit,
    inputs: Any,
    *,
    num_sizes: int = 6,
    num_folds: int = 5,
    seed: int = 0,
) -> Curve:
    """A method's answers on each fold, after learning from ever more of the other rows.

    Args:
        asked: What the rows are asked for.
        fit: The method.
        inputs: What it reads, a row each.
        num_sizes: Sizes, each by the same factor above the one before.
        num_folds: Parts, each held out once; so many draws there are of each size.
        seed: Decides them.
    """
    part, generator = asked.parts(num_folds, seed), np.random.default_rng(seed)
    whole = len(asked) - int(np.bincount(part).max())
    first = min(max(_FEWEST, whole // 16), whole)
    sizes = np.unique(np.geomspace(first, whole, num_sizes).round().astype(np.int64))
    marks = np.zeros((sizes.size, len(asked)))
    for fold in range(num_folds):
        held = np.flatnonzero(part == fold)
        order = asked.shuffled(np.flatnonzero(part != fold), generator)
        for i, size in enumerate(sizes):
            marks[i, held] = asked.marks(asked.answers(fit, inputs, order[:size], held), held)
    return Curve(sizes, marks, asked.groups)


@dataclass(frozen=True)
class Forecast:
    """What so many rows would give: the score, and how much more that is than now."""

    rows: int
    score: Estimate
    gain: Estimate


def forecast(
    curve: Curve, now: int, rows: Sequence[int], *, confidence: float = 0.9, seed: int = 0
) -> list[Forecast]:
    """The score after learning from other numbers of rows, by an inverse power law.

    What it lacks of 1 falls as ``floor + scale · rows^(−power)`` (Figueroa et al. 2012), fitted
    with a weight for each size that grows with it, since what is far to the right is asked for.
    The interval is of the same fit to resamples of the rows, so that the few rows there are to
    measure on are in it.

    Args:
        curve: As ``learning_curve`` made it; at least three sizes.
        now: Rows there are to learn from; gains are over what they give.
        rows: Numbers of rows that are asked about.
        confidence: Coverage of the intervals.
        seed: Of the resamples.
    """
    asked = np.asarray([now, *rows], np.float64)
    sizes = curve.sizes.astype(np.float64)
    seen = fitted_errors(sizes, 1 - curve.scores[None], asked)
    drawn = fitted_errors(sizes, 1 - _resampled(curve, seed), asked)
    tail = (1 - confidence) / 2

    def told(value: NDArray[np.float64], many: NDArray[np.float64]) -> Estimate:
        low, high = np.quantile(many, [tail, 1 - tail])
        return Estimate(float(value[0]), min(low, value[0]), max(high, value[0]))

    return [
        Forecast(
            int(number),
            told(1 - seen[:, i], 1 - drawn[:, i]),
            told(seen[:, 0] - seen[:, i], drawn[:, 0] - drawn[:, i]),
        )
        for i, number in enumerate(rows, start=1)
    ]


def _resampled(curve: Curve, seed: int) -> NDArray[np.float64]:
    """Scores [resamples, sizes] of rows, or of whole groups, drawn with replacement."""
    sums, counts = group_sums(curve.marks.T, curve.groups)
    generator, rows = np.random.default_rng(seed), len(counts)
    drawn = generator.multinomial(rows, np.full(rows, 1 / rows), size=_RESAMPLES) / rows
    means: NDArray[np.float64] = (drawn @ sums) / (drawn @ counts)[:, None]
    return means


def fitted_errors(
    sizes: NDArray[np.float64], errors: NDArray[np.float64], asked: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Errors [curves, asked] of the power laws through curves of errors [curves, sizes].

    For each of some powers the floor and the scale are a line's, both held at 0 or above; the
    power with the least squares is kept.
    """
    weight = sizes / sizes.sum()
    best = np.full(len(errors), np.inf)
    found = np.zeros((len(errors), asked.size))
    for power in _POWERS:
        fall = sizes**-power
        floor, scale = _line(fall, errors, weight)
        off = (floor[:, None] + scale[:, None] * fall - errors) ** 2 @ weight
        better = off < best - 1e-15
        told = floor[:, None] + scale[:, None] * asked**-power
        found[better], best[better] = told[better], off[better]
    return found


def _line(
    fall: NDArray[np.float64], errors: NDArray[np.float64], weight: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Floor and scale [curves] of weighted least squares, neither below 0."""
    middle, means = fall @ weight, errors @ weight
    spread = ((fall - middle) ** 2) @ weight
    scale = np.maximum((errors * (fall - middle)) @ weight / spread, 0.0)
    floor = means - scale * middle
    alone = (errors * fall) @ weight / ((fall**2) @ weight)
    below = floor < 0
    return np.where(below, 0.0, floor), np.where(below, alone, scale)
