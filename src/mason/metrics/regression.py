"""How near predicted numbers come to the right ones, with bootstrap intervals."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mason.metrics.classification import Estimate

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class RegressionScores:
    """Scores of predicted numbers, each with its interval.

    Attributes:
        overall: ``pearson``, ``spearman`` and, where the targets vary, ``r2`` (share of the
            variance that is explained).
        distances: ``mae`` and ``rmse``, in the unit of the numbers.
    """

    rows: int
    confidence: float
    overall: dict[str, Estimate]
    distances: dict[str, Estimate]


def regression_scores(
    targets: ArrayLike,
    predictions: ArrayLike,
    *,
    confidence: float = 0.95,
    num_resamples: int = 1000,
    seed: int = 0,
) -> RegressionScores:
    """Correlations and distances; intervals from rows drawn with replacement.

    Args:
        targets: The right numbers ``[rows]``.
        predictions: What was said instead.
        confidence: Coverage of the intervals.
        num_resamples: Bootstrap draws (Efron & Tibshirani 1993, percentile intervals).
        seed: Of the draws.
    """
    right, said = np.asarray(targets, np.float64), np.asarray(predictions, np.float64)
    rng = np.random.default_rng(seed)
    draws = rng.integers(0, len(right), (num_resamples, len(right)))

    def estimate(score: Callable[[Floats, Floats], Floats]) -> Estimate:
        value = float(score(right[None], said[None])[0])
        found = score(right[draws], said[draws])
        tails = [(1 - confidence) / 2, (1 + confidence) / 2]
        low, high = np.nanquantile(found, tails) if np.isfinite(found).any() else (value, value)
        return Estimate(value, float(low), float(high))

    overall = {"pearson": estimate(_pearson), "spearman": estimate(_spearman)}
    if np.ptp(right):  # else there is no variance to explain a share of
        overall["r2"] = estimate(_r2)
    distances = {"mae": estimate(_mae), "rmse": estimate(_rmse)}
    return RegressionScores(len(right), confidence, overall, distances)


def _pearson(right: Floats, said: Floats) -> Floats:
    """Of each row; 0 where either side is one number over and over."""
    a, b = (x - x.mean(1, keepdims=True) for x in (right, said))
    scale = np.sqrt((a * a).sum(1) * (b * b).sum(1))
    found: Floats = np.divide((a * b).sum(1), scale, out=np.zeros(len(a)), where=scale > 0)
    return found


def _spearman(right: Floats, said: Floats) -> Floats:
    from scipy.stats import rankdata

    return _pearson(rankdata(right, axis=1), rankdata(said, axis=1))


def _r2(right: Floats, said: Floats) -> Floats:
    """Of each row; nan where the targets are one number over and over."""
    spread = ((right - right.mean(1, keepdims=True)) ** 2).sum(1)
    missed = ((right - said) ** 2).sum(1)
    varied = np.ptp(right, axis=1) > 0  # the spread itself may be rounding alone
    share = np.divide(missed, spread, out=np.full(len(right), np.nan), where=varied)
    found: Floats = 1 - share
    return found


def _mae(right: Floats, said: Floats) -> Floats:
    found: Floats = np.abs(right - said).mean(1)
    return found


def _rmse(right: Floats, said: Floats) -> Floats:
    found: Floats = np.sqrt(((right - said) ** 2).mean(1))
    return found
