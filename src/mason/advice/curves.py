"""How much more labels would buy: a score on growing subsets, and the power laws it goes with."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mason.advice.asked import Asked
from mason.metrics.classification import Estimate
from mason.metrics.folds import Fit
from mason.metrics.groups import Groups, group_sums

Floats = NDArray[np.float64]

_POWERS = (0.03, 1.0)
"""From the slowest to the fastest fall that is drawn."""
_LAWS = 20_000
_DRAW = 0.01
"""Standard deviation of a score by the rows that were drawn to learn from."""
_LEAST = 1e-6
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
    marks: Floats
    groups: Groups | None = None

    @property
    def scores(self) -> Floats:
        """[sizes]."""
        means: Floats = self.marks.mean(axis=1)
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
    """The score after learning from other numbers of rows, by inverse power laws.

    What it lacks of 1 falls as ``floor + scale · rows^(−power)`` (Figueroa et al. 2012). A short
    curve goes with many such laws: they are drawn widely, each counts as much as it makes the curve
    likely, and the middle of what they foretell is told, with its interval. What the curve is off
    by comes of the few rows it is measured on, which resamples of them tell, and of the rows that
    were drawn to learn from.

    Args:
        curve: As ``learning_curve`` made it.
        now: Rows there are to learn from; gains are over what they give.
        rows: Numbers of rows that are asked about.
        confidence: Coverage of the intervals.
        seed: Of all that is drawn.
    """
    noise = np.cov(_resampled(curve, seed).T, ddof=0) + np.eye(curve.sizes.size) * _DRAW**2
    laws = _laws(curve, float(np.sqrt(noise[-1, -1])), seed)
    off = laws(curve.sizes.astype(np.float64)) - (1 - curve.scores)
    surprise = np.einsum("ij,jk,ik->i", off, np.linalg.inv(noise), off) / 2
    weights = np.exp(surprise.min() - surprise)
    tail = (1 - confidence) / 2
    errors = laws(np.asarray([now, *rows], np.float64))

    def told(values: Floats) -> Estimate:
        low, middle, high = _quantiles(values, weights, [tail, 0.5, 1 - tail])
        return Estimate(middle, low, high)

    return [
        Forecast(int(number), told(1 - errors[:, i]), told(errors[:, 0] - errors[:, i]))
        for i, number in enumerate(rows, start=1)
    ]


def _laws(curve: Curve, spread: float, seed: int) -> Callable[[Floats], Floats]:
    """Power laws near the end of a curve: their errors [laws, sizes] at numbers of rows [sizes].

    Args:
        curve: It ends where they are told apart least.
        spread: The standard error of its last score.
        seed: Of the draw.
    """
    draw, last = np.random.default_rng(seed), float(curve.sizes[-1])
    end = np.maximum(1 - curve.scores[-1] + 3 * spread * draw.normal(size=_LAWS), _LEAST)
    floor = end * draw.uniform(size=_LAWS)
    slow, fast = _POWERS
    power = slow * (fast / slow) ** draw.uniform(size=_LAWS)

    def errors(sizes: Floats) -> Floats:
        fallen: Floats = (sizes / last) ** -power[:, None]
        found: Floats = floor[:, None] + (end - floor)[:, None] * fallen
        return found

    return errors


def _quantiles(values: Floats, weights: Floats, shares: Sequence[float]) -> list[float]:
    """Quantiles of values that count by their weights."""
    order = np.argsort(values)
    passed = np.cumsum(weights[order])
    places = np.searchsorted(passed, np.asarray(shares) * passed[-1])
    found: list[float] = values[order[np.minimum(places, len(order) - 1)]].tolist()
    return found


def _resampled(curve: Curve, seed: int) -> Floats:
    """Scores [resamples, sizes] of rows, or of whole groups, drawn with replacement."""
    sums, counts = group_sums(curve.marks.T, curve.groups)
    generator, rows = np.random.default_rng(seed), len(counts)
    drawn = generator.multinomial(rows, np.full(rows, 1 / rows), size=_RESAMPLES) / rows
    means: Floats = (drawn @ sums) / (drawn @ counts)[:, None]
    return means
