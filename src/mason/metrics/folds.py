"""What a method says of rows it has not learned from, for every row of a table."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Fit = Callable[[Any, NDArray[Any], Any], NDArray[np.float64]]
"""``fit(inputs, targets, others)``: learn from inputs whose classes are numbered without gaps,
and give the probabilities [others, classes] of others; or, where targets are values [rows, …],
the values of others."""
_UNSEEN = 1e-6
"""Probability of a class of which a fold has no row to learn from."""


def folds(targets: ArrayLike, count: int, *, seed: int = 0) -> NDArray[np.int64]:
    """The fold of each row, [rows], every class shared out evenly among ``count`` of them."""
    wanted, generator = np.asarray(targets), np.random.default_rng(seed)
    found, start = np.zeros(wanted.size, np.int64), 0
    for one in np.unique(wanted):
        rows = generator.permutation(np.flatnonzero(wanted == one))
        found[rows] = (np.arange(rows.size) + start) % count  # rare classes do not pile up in 0
        start += rows.size
    return found


def out_of_fold(
    fit: Fit,
    inputs: Any,
    targets: ArrayLike,
    num_classes: int,
    *,
    count: int = 5,
    seed: int = 0,
    parts: NDArray[np.int64] | None = None,
) -> NDArray[np.float64]:
    """Probabilities [rows, classes] of each row, by a method fitted without its fold.

    Args:
        fit: The method.
        inputs: What it reads, a row each: an array or a list.
        targets: Class numbers [rows], of at least two classes.
        num_classes: How many classes there are.
        count: Folds.
        seed: Decides who is in which.
        parts: The fold of each row where that is settled already [rows].
    """
    wanted = np.asarray(targets, np.int64)
    if parts is None:
        parts = folds(wanted, count, seed=seed)
    found = np.full((wanted.size, num_classes), _UNSEEN)
    for part in range(count):
        held, learned = np.flatnonzero(parts == part), np.flatnonzero(parts != part)
        if held.size:
            told = fit_some(fit, inputs, wanted, learned, held)
            found[np.ix_(held, np.unique(wanted[learned]))] = np.maximum(told, _UNSEEN)
    shares: NDArray[np.float64] = found / found.sum(axis=1, keepdims=True)
    return shares


def fit_some(
    fit: Fit,
    inputs: Any,
    targets: NDArray[np.int64],
    learned: NDArray[np.int64],
    held: NDArray[np.int64],
) -> NDArray[np.float64]:
    """``fit`` on some rows and asked of others; columns are the classes of the rows learned."""
    known, numbers = np.unique(targets[learned], return_inverse=True)
    if known.size == 1:
        return np.ones((held.size, 1))
    return fit(rows_of(inputs, learned), numbers, rows_of(inputs, held))


def rows_of(inputs: Any, rows: NDArray[np.int64]) -> Any:
    """Some rows of an array or a list."""
    if isinstance(inputs, Sequence):
        return [inputs[i] for i in rows]
    return inputs[rows]
