"""How well features already tell classes apart, or numbers: scores that need no fine-tuning."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mason.metrics.groups import Groups, group_numbers

Features = NDArray[np.float64]
_ROUNDS, _CLOSE = 100, 1e-6
_NOTHING = 1e-9
"""Of what a feature is: less than that is rounding, and nothing varies."""


def h_score(features: ArrayLike, targets: ArrayLike) -> float:
    """Share of the features' variance that the classes explain, summed over directions.

    tr(Σ⁻¹ Σ_B) of Bao et al. (2019), with the covariance Σ shrunk as Ledoit & Wolf (2004)
    do, without which it is meaningless where rows are fewer than features (Ibrahim et al.
    2022). Between 0 and the number of classes less one.

    Args:
        features: [rows, width].
        targets: Class numbers [rows].
    """
    from sklearn.covariance import ledoit_wolf

    centred = _centred(features)
    wanted = np.asarray(targets, np.int64)
    if np.abs(centred).max() <= _NOTHING * np.abs(np.asarray(features)).max():
        return 0.0
    covariance, shrinkage = ledoit_wolf(centred, assume_centered=True)
    known, numbers = np.unique(wanted, return_inverse=True)
    counts = np.bincount(numbers)
    sums = np.zeros((known.size, centred.shape[1]))
    np.add.at(sums, numbers, centred)
    # Σ_B = Σ_c (n_c / n) m_c m_cᵀ, of which only the trace with Σ⁻¹ is wanted.
    between = sums / np.sqrt(counts * len(wanted))[:, None]
    solved = np.linalg.solve(covariance, between.T)
    return float((1 - shrinkage) * (between.T * solved).sum())


def log_me(features: ArrayLike, targets: ArrayLike, num_classes: int) -> float:
    """Mean log evidence a row of a Bayesian linear model for each class (You et al. 2021).

    Args:
        features: [rows, width].
        targets: Class numbers [rows].
        num_classes: How many classes there are.
    """
    wanted = np.eye(num_classes)[np.asarray(targets, np.int64)]
    present = wanted[:, wanted.any(axis=0)]
    return float(np.mean(log_evidence(features, present)))


def log_me_of_values(features: ArrayLike, values: ArrayLike) -> float:
    """LogME of numbers: the mean log evidence a row over columns of values (You et al. 2021).

    Columns are brought to mean 0 and spread 1 first, so that their unit does not matter and all
    count alike; one that never changes is left out.

    Args:
        features: [rows, width].
        values: [rows] or [rows, columns]; at least one column changes.
    """
    wanted = np.asarray(values, np.float64).reshape(len(np.asarray(values)), -1)
    spread = wanted.std(axis=0)
    told = spread > 0
    scaled = (wanted[:, told] - wanted[:, told].mean(axis=0)) / spread[told]
    return float(np.mean(log_evidence(_centred(features), scaled)))


def log_evidence(features: ArrayLike, values: ArrayLike) -> NDArray[np.float64]:
    """Log evidence a row of linear models with normal weights and noise, [columns].

    Both precisions are those that make the evidence highest, found by MacKay's (1992) fixed
    point; the singular values are shared by all columns.

    Args:
        features: [rows, width].
        values: What is predicted [rows, columns].
    """
    given, wanted = np.asarray(features, np.float64), np.asarray(values, np.float64)
    left, singular, _ = np.linalg.svd(given, full_matrices=False)
    strengths = singular**2
    inside = (left.T @ wanted) ** 2
    outside = np.maximum((wanted**2).sum(axis=0) - inside.sum(axis=0), 0.0)
    found = [
        _evidence(strengths, inside[:, i], float(outside[i]), *given.shape)
        for i in range(wanted.shape[1])
    ]
    return np.asarray(found) / len(given)


def _evidence(
    strengths: Features, inside: Features, outside: float, rows: int, width: int
) -> float:
    """Evidence of one column, in nats.

    Args:
        strengths: Squared singular values of the features.
        inside: Squares of the column along the left singular vectors.
        outside: What of its square the features do not reach.
        rows: Of the features.
        width: Of the features.
    """
    ratio = 1.0  # of the weights' precision to the noise's
    for _ in range(_ROUNDS):
        kept = strengths / (strengths + ratio)
        used = kept.sum()
        weights = (strengths * inside / (strengths + ratio) ** 2).sum()
        residual = (inside * (1 - kept) ** 2).sum() + outside
        alpha = used / max(weights, 1e-12)
        beta = (rows - used) / max(residual, 1e-12)
        before, ratio = ratio, alpha / beta
        if abs(ratio - before) <= _CLOSE * before:
            break
    spread = np.log(alpha + beta * strengths).sum() + (width - strengths.size) * np.log(alpha)
    fit = width * np.log(alpha) + rows * np.log(beta) - beta * residual - alpha * weights
    return float(0.5 * (fit - spread - rows * np.log(2 * np.pi)))


def neighbour_accuracy(
    features: ArrayLike, targets: ArrayLike, *, count: int = 5, groups: Groups | None = None
) -> float:
    """Share of rows whose nearest others, by cosine, mostly have their class.

    Where classes are level, the nearest of their rows decides.

    Args:
        features: [rows, width].
        targets: Class numbers [rows].
        count: Neighbours that are asked.
        groups: See ``nearest``.
    """
    wanted = np.asarray(targets, np.int64)
    votes = wanted[nearest(features, count=count, groups=groups)]
    same = (votes[:, :, None] == votes[:, None, :]).sum(axis=2)
    # argmax takes the first of the highest: the nearest row of a class with most votes.
    said = votes[np.arange(len(votes)), same.argmax(axis=1)]
    return float((said == wanted).mean())


def nearest(
    features: ArrayLike, *, count: int = 5, groups: Groups | None = None
) -> NDArray[np.int64]:
    """The nearest other rows of each row by cosine, the nearest first [rows, count].

    Args:
        features: [rows, width].
        count: How many, where there are so many others.
        groups: What each row belongs to; the others are those of other groups. None: each is
            alone.
    """
    given = _centred(features)
    unit = given / np.maximum(np.linalg.norm(given, axis=1, keepdims=True), 1e-12)
    likeness = unit @ unit.T
    numbers = group_numbers(groups or range(len(given)))
    likeness[numbers[:, None] == numbers] = -np.inf
    others = len(given) - int(np.bincount(numbers).max())
    return np.argsort(-likeness, axis=1, kind="stable")[:, : min(count, others)]


def _centred(features: ArrayLike) -> Features:
    given = np.asarray(features, np.float64)
    centred: Features = given - given.mean(axis=0)
    return centred
