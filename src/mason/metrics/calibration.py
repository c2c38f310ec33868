"""Does "90 % sure" mean right nine times in ten? Calibration error, and the one-number cure."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mason.errors import DataError


@dataclass(frozen=True)
class CalibrationBin:
    """Rows of similar confidence: how sure the model was, and how often it was right."""

    confidence: float
    accuracy: float
    count: int


@dataclass(frozen=True)
class Calibration:
    """How well stated probabilities match what happened.

    Attributes:
        ece: Expected calibration error: mean distance between confidence and accuracy.
        chance_ece: The ECE that a perfectly calibrated model stays under 95 times in 100
            on this many rows; an ``ece`` below it is no evidence of miscalibration.
        overconfidence: Mean confidence minus accuracy; above 0 the model is too sure.
        negative_log_likelihood: Mean nats per row.
        brier: Mean squared distance to the one-hot target, 0 to 2 (Brier 1950).
        bins: The reliability diagram, least sure first.
    """

    ece: float
    chance_ece: float
    overconfidence: float
    negative_log_likelihood: float
    brier: float
    bins: list[CalibrationBin]


def calibration(
    targets: ArrayLike, probabilities: ArrayLike, *, num_bins: int = 15, seed: int = 0
) -> Calibration:
    """Measure calibration in equal-mass bins of the top probability.

    Equal mass, because fixed-width bins leave most of their cells near-empty (Nixon et
    al. 2019). Bin edges are quantiles and ties share a bin, so row order does not matter.

    Args:
        targets: Right class ids, ``[rows]``.
        probabilities: Predicted probabilities, ``[rows, classes]``; each row sums to 1.
        num_bins: Most bins; ties can leave fewer.
        seed: Seed of the simulation behind ``chance_ece``.

    Raises:
        DataError: There are no rows.
    """
    wanted, chances = np.asarray(targets, np.int64), np.asarray(probabilities, np.float64)
    _check(wanted, chances)
    confidence = chances.max(axis=1)
    correct = (chances.argmax(axis=1) == wanted).astype(np.float64)
    of_bin = _equal_mass_bins(confidence, num_bins)
    counts = np.bincount(of_bin)
    sure = np.bincount(of_bin, confidence)
    right = np.bincount(of_bin, correct)
    of_target = chances[np.arange(len(wanted)), wanted]
    squares = (chances**2).sum(axis=1) - 2 * of_target + 1  # = sum of (p - onehot)²
    return Calibration(
        ece=float(np.abs(sure - right).sum() / len(wanted)),
        chance_ece=_chance_ece(confidence, of_bin, seed),
        overconfidence=float(confidence.mean() - correct.mean()),
        negative_log_likelihood=float(-np.log(np.maximum(of_target, 1e-300)).mean()),
        brier=float(squares.mean()),
        bins=[
            CalibrationBin(float(s / n), float(r / n), int(n))
            for s, r, n in zip(sure, right, counts, strict=True)
        ],
    )


def fit_temperature(logits: ArrayLike, targets: ArrayLike) -> float:
    """Find the number to divide logits by so that probabilities are honest (Guo et al. 2017).

    The negative log-likelihood is convex in 1/temperature. Targets are smoothed by one
    row's worth, as Platt (1999) did: on rows the model gets all right the plain optimum
    is a temperature of 0, "always certain", which no finite sample can support.

    Args:
        logits: Raw scores on held-out rows, ``[rows, classes]``.
        targets: Right class ids, ``[rows]``.

    Returns:
        The temperature, 0.01 to 100; above 1 the model was too sure.

    Raises:
        DataError: There are no rows.
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import logsumexp

    raw, wanted = np.asarray(logits, np.float64), np.asarray(targets, np.int64)
    _check(wanted, raw)
    raw = raw - raw.max(axis=1, keepdims=True)
    smoothing = 1 / (len(wanted) + 1)
    of_target = raw[np.arange(len(wanted)), wanted].mean()
    pull = (1 - smoothing) * of_target + smoothing * raw.mean()

    def loss(log_temperature: float) -> float:
        sharpness = np.exp(-log_temperature)
        return float(logsumexp(raw * sharpness, axis=1).mean() - pull * sharpness)

    widest = np.log(100.0)
    found = minimize_scalar(loss, bounds=(-widest, widest), method="bounded")
    return float(np.exp(found.x))


def _check(targets: NDArray[np.int64], values: NDArray[np.float64]) -> None:
    assert values.ndim == 2 and targets.shape == values.shape[:1], (targets.shape, values.shape)
    if targets.size == 0:
        raise DataError("There are no rows to calibrate on; give at least one held-out row.")


def _equal_mass_bins(confidence: NDArray[np.float64], num_bins: int) -> NDArray[np.int64]:
    """The bin of each row, numbered 0 up without gaps: ``[rows]``."""
    edges = np.quantile(confidence, np.linspace(0, 1, num_bins + 1)[1:-1])
    raw = np.searchsorted(edges, confidence, side="left")
    return np.unique(raw, return_inverse=True)[1].astype(np.int64)


def _chance_ece(
    confidence: NDArray[np.float64], of_bin: NDArray[np.int64], seed: int, num_draws: int = 200
) -> float:
    """95th percentile of the ECE of outcomes drawn from the confidences themselves.

    Consistency resampling, Bröcker & Smith 2007.
    """
    generator = np.random.default_rng(seed)
    eces = [
        np.abs(
            np.bincount(of_bin, confidence - (generator.random(len(confidence)) < confidence))
        ).sum()
        / len(confidence)
        for _ in range(num_draws)
    ]
    return float(np.quantile(eces, 0.95))
