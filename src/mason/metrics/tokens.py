"""Means over tokens, with intervals over the texts they stand in."""

import numpy as np

from mason.errors import DataError
from mason.metrics.classification import Estimate

_CONFIDENCE, _RESAMPLES, _SEED = 0.95, 2000, 12345


def ratio_estimate(sums: np.ndarray, counts: np.ndarray) -> Estimate:
    """The mean of a token and its percentile interval over resampled texts.

    Tokens of one text are no independent witnesses; texts are drawn, each with all its tokens.

    Args:
        sums: Of each text, [texts], over its tokens.
        counts: Tokens of each text.

    Raises:
        DataError: There are no tokens.
    """
    if not counts.sum():
        raise DataError("There are no rows to score; give a test set with at least one row.")
    chance = np.random.default_rng(_SEED)
    drawn = chance.multinomial(len(sums), np.full(len(sums), 1 / len(sums)), size=_RESAMPLES)
    found = (drawn @ sums) / np.maximum(1, drawn @ counts)
    tail = (1 - _CONFIDENCE) / 2
    low, high = np.quantile(found, [tail, 1 - tail])
    return Estimate(float(sums.sum() / counts.sum()), float(low), float(high))
