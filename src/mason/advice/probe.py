"""A linear map on features that stay as they are: the cheapest thing a model can be used for."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mason.errors import RunError
from mason.metrics.folds import Fit

_STRENGTH = 0.03
"""C of logistic regression on features of unit variance: they are as many as the rows."""
_PENALTIES = np.logspace(0, 5, 11)
"""Tried by ridge regression; the least error on rows left out, one at a time, decides."""


def linear_probe(features: Any, targets: NDArray[np.int64], others: Any) -> NDArray[np.float64]:
    """Probabilities [others, classes] by logistic regression on features of unit variance.

    Args:
        features: [rows, width].
        targets: Class numbers without gaps [rows].
        others: Features of rows to say something of [others, width].

    Raises:
        RunError: The features are not finite.
    """
    from sklearn.linear_model import LogisticRegression

    known, asked = _scaled(features, others)
    fitted = LogisticRegression(C=_STRENGTH, max_iter=300, tol=1e-3)
    told: NDArray[np.float64] = fitted.fit(known, targets).predict_proba(asked)
    return told


def ridge_probe(features: Any, values: NDArray[Any], others: Any) -> NDArray[np.float64]:
    """Values [others, ...] by ridge regression on features of unit variance.

    Args:
        features: [rows, width].
        values: What belongs to each row [rows, ...].
        others: Features of rows to say something of [others, width].

    Raises:
        RunError: The features are not finite.
    """
    from sklearn.linear_model import RidgeCV

    known, asked = _scaled(features, others)
    fitted = RidgeCV(alphas=_PENALTIES).fit(known, values.astype(np.float64))
    told: NDArray[np.float64] = fitted.predict(asked)
    return told


def over_readings(fit: Fit) -> Fit:
    """The mean of what a method answers by each reading; it takes [rows, readings, width]."""

    def fitted(readings: Any, targets: NDArray[Any], others: Any) -> NDArray[np.float64]:
        pairs = zip(readings.swapaxes(0, 1), others.swapaxes(0, 1), strict=True)
        told: NDArray[np.float64] = np.mean([fit(a, targets, b) for a, b in pairs], axis=0)
        return told

    return fitted


def _scaled(features: Any, others: Any) -> tuple[Any, Any]:
    """Both, by the mean and the spread of the first."""
    if not np.isfinite(features).all():
        raise RunError("The model's features are not finite numbers; its weights are damaged.")
    middle = features.mean(axis=0)
    scale = np.maximum(features.std(axis=0), 1e-6)
    return (features - middle) / scale, (others - middle) / scale


def commonest_labels(
    words: Sequence[str], targets: NDArray[np.int64], others: Sequence[str]
) -> NDArray[np.float64]:
    """Probabilities [others, classes] by how often each word has each label.

    A word that was not seen, and a little of every other, has the labels of all words.

    Args:
        words: To learn from.
        targets: Their class numbers without gaps.
        others: Words to say something of.
    """
    every = np.bincount(targets) / len(targets)
    counts: dict[str, NDArray[np.float64]] = {}
    for word, target in zip(words, targets.tolist(), strict=True):
        counts.setdefault(word, np.zeros_like(every))[target] += 1
    found = np.array([counts.get(word, 0) + every for word in others])
    shares: NDArray[np.float64] = found / found.sum(axis=1, keepdims=True)
    return shares
