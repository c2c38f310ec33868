"""Rows that belong together, such as the questions to one text: they are drawn as one."""

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Groups = Sequence[Hashable]
"""What each row belongs to."""


def group_numbers(groups: Groups) -> NDArray[np.int64]:
    """The number of each row's group, by where groups first stand [rows]."""
    known: dict[Hashable, int] = {}
    return np.array([known.setdefault(one, len(known)) for one in groups], np.int64)


def group_sums(
    values: ArrayLike, groups: Groups | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What the rows of each group are worth together, and how many they are.

    Args:
        values: [rows, ...].
        groups: What each row belongs to; None: each is alone.

    Returns:
        Sums [groups, ...] and sizes [groups].
    """
    given = np.asarray(values, np.float64)
    if groups is None:
        return given, np.ones(len(given))
    numbers = group_numbers(groups)
    assert numbers.shape == given.shape[:1], (numbers.shape, given.shape)
    sizes = np.bincount(numbers).astype(np.float64)
    sums = np.zeros((sizes.size, *given.shape[1:]))
    np.add.at(sums, numbers, given)
    return sums, sizes
