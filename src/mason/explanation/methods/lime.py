"""LIME: a linear model of what happens when words go, trusted most near the whole text."""

import numpy as np

from mason.explanation.methods.method import Method, Weighed
from mason.explanation.subjects import Kept, Removals, Subject, Weights

_SAMPLES = 256
_WIDTH = 0.25
"""Of the kernel, over cosine distance, as in the authors' code for texts."""
_PENALTY = 1.0
_SEED = 0


def lime(subject: Subject) -> Weighed:
    """Slopes of a ridge regression on texts with random words blanked (Ribeiro et al. 2016)."""
    kept = _variants(len(subject.words))
    told = Removals(subject)(kept)
    share = kept.mean(1)
    near = np.exp(-((1 - np.sqrt(share)) ** 2) / (2 * _WIDTH**2))
    words: Weights = kept - np.average(kept, axis=0, weights=near)
    rise = told - np.average(told, weights=near)
    gram = words.T @ (near[:, None] * words) + _PENALTY * np.eye(words.shape[1])
    return Weighed(np.linalg.solve(gram, words.T @ (near * rise)))


def _variants(size: int) -> Kept:
    """The whole text, then all others where they are few, else random ones of every length."""
    if 2**size <= _SAMPLES:
        numbers = np.arange(2**size)[::-1, None]
        every: Kept = (numbers >> np.arange(size)) & 1 == 1
        return every
    chance = np.random.default_rng(_SEED)
    gone = chance.integers(1, size + 1, _SAMPLES - 1)
    ranks = chance.random((_SAMPLES - 1, size)).argsort(1).argsort(1)
    return np.append(np.ones((1, size), dtype=bool), ranks >= gone[:, None], axis=0)


LIME = Method("lime", "Ribeiro et al. 2016", lime)
