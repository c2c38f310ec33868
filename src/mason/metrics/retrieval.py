"""How well the right text is found among many, with bootstrap intervals."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mason.metrics.classification import Estimate, estimate

Ranks = NDArray[np.int64]
_AT_ONCE = 256


@dataclass(frozen=True)
class RetrievalScores:
    """Scores with intervals.

    Attributes:
        overall: ``mrr`` (mean of 1 / rank), ``recall_at_1``, ``_5`` and ``_10`` (share of the
            queries whose text is among so many), ``ndcg`` (mean of 1 / log2(1 + rank)); MRR and
            nDCG look at the first ten.
    """

    rows: int
    confidence: float
    overall: dict[str, Estimate]


def ranks_of(queries: NDArray[np.float32], documents: NDArray[np.float32], right: Ranks) -> Ranks:
    """At which place, from 1, each query finds its document; equals stand before it.

    Args:
        queries: Vectors [queries, width].
        documents: Vectors [documents, width].
        right: The number of the document that each query asks for.
    """
    found = np.empty(len(queries), np.int64)
    for start in range(0, len(queries), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        found[part] = ranked(queries[part] @ documents.T, right[part])
    return found


def ranked(likeness: NDArray[np.floating], right: Ranks) -> Ranks:
    """The same from how alike each query and each document are [queries, documents]."""
    own = np.take_along_axis(likeness, right[:, None], axis=1)
    places: Ranks = (likeness >= own).sum(1)
    return places


def retrieval_scores(
    ranks: Ranks, *, confidence: float = 0.95, num_resamples: int = 1000, seed: int = 0
) -> RetrievalScores:
    """Scores from the place of each query's document.

    Args:
        ranks: From 1.
        confidence: Coverage of the intervals.
        num_resamples: Bootstrap draws of queries (percentile intervals).
        seed: Of the draws.
    """
    near = ranks <= 10
    each = {
        "mrr": np.where(near, 1 / ranks, 0.0),
        **{f"recall_at_{k}": (ranks <= k).astype(float) for k in (1, 5, 10)},
        "ndcg": np.where(near, 1 / np.log2(1.0 + ranks), 0.0),
    }
    rng, rows = np.random.default_rng(seed), len(ranks)
    drawn = rng.integers(0, rows, (num_resamples, rows))
    overall = {
        name: estimate(float(values.mean()), values[drawn].mean(1), confidence, rows)
        for name, values in each.items()
    }
    return RetrievalScores(rows, confidence, overall)
