"""Rows whose label is probably wrong, from what was said of them by who had not seen them.

Confident learning (Northcutt et al. 2021): a row is suspected where another class is at
least as likely as that class usually is on its own rows. Thresholds are of each class, so a
class that is hard to tell makes no row suspicious by itself.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class Suspect:
    """A row, the class that seems right, and how sure who had not seen it is of each."""

    row: int
    target: int
    likelier: int
    probability: float
    """Of the class that seems right."""
    loss: float
    """Nats of the label it has."""


def suspects(targets: ArrayLike, probabilities: ArrayLike) -> list[Suspect]:
    """Rows whose label is probably wrong, the highest loss first.

    Args:
        targets: Labels as class numbers [rows].
        probabilities: Of each row [rows, classes], from a method that did not learn from it.
    """
    wanted, chances = np.asarray(targets, np.int64), np.asarray(probabilities, np.float64)
    num_rows, num_classes = chances.shape
    own = chances[np.arange(num_rows), wanted]
    counts = np.bincount(wanted, minlength=num_classes)
    usual = np.bincount(wanted, own, minlength=num_classes) / np.maximum(counts, 1)
    usual[counts == 0] = np.inf
    likely = np.where(chances >= usual, chances, -1.0)
    likelier = likely.argmax(axis=1)
    rows = np.flatnonzero((likely.max(axis=1) > 0) & (likelier != wanted))
    return [
        Suspect(
            int(i),
            int(wanted[i]),
            int(likelier[i]),
            float(chances[i, likelier[i]]),
            float(-np.log(max(own[i], 1e-300))),
        )
        for i in rows[np.argsort(own[rows], kind="stable")]
    ]
