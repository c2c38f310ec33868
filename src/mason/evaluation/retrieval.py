"""Finding texts by their words: what an embedding must beat."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mason.evaluation.baselines import Baseline, words_weighted
from mason.language import say
from mason.metrics.regression import regression_scores
from mason.metrics.retrieval import Ranks, ranked, retrieval_scores

_AT_ONCE = 256
_K1, _B = 1.2, 0.75


def retrieval_baselines(
    queries: Sequence[str], documents: Sequence[str], right: Ranks
) -> list[Baseline]:
    """TF-IDF and BM25 (Robertson et al. 1994), fitted on the documents alone.

    Args:
        queries: Texts.
        documents: Among them each query's own.
        right: The number of each query's own.
    """
    ways: dict[str, Callable[[Sequence[str], Sequence[str]], tuple[Any, Any]]] = {
        say("TF-IDF"): _tfidf,
        say("BM25"): _bm25,
    }
    found = []
    for name, way in ways.items():
        asked, known = way(queries, documents)
        ranks = np.empty(len(queries), np.int64)
        for start in range(0, len(queries), _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            ranks[part] = ranked((asked[part] @ known.T).toarray(), right[part])
        found.append(Baseline(name, scores=retrieval_scores(ranks).overall))
    return found


def likeness_baselines(
    firsts: Sequence[str], seconds: Sequence[str], scores: Sequence[float]
) -> list[Baseline]:
    """Cosines of TF-IDF as the likeness of two texts."""
    words = words_weighted(firsts).fit([*firsts, *seconds])
    a, b = words.transform(firsts), words.transform(seconds)
    cosines = np.asarray(a.multiply(b).sum(1)).ravel()
    return [Baseline(say("TF-IDF"), scores=regression_scores(scores, cosines).overall)]


def _tfidf(queries: Sequence[str], documents: Sequence[str]) -> tuple[Any, Any]:
    words = words_weighted(documents).fit(documents)
    return words.transform(queries), words.transform(documents)


def _bm25(queries: Sequence[str], documents: Sequence[str]) -> tuple[Any, Any]:
    """Queries as counts, documents as what each word adds."""
    from scipy import sparse
    from sklearn.feature_extraction.text import CountVectorizer

    cut = words_weighted(documents)
    words = CountVectorizer(analyzer=cut.analyzer, token_pattern=cut.token_pattern)
    counts = words.fit_transform(documents).astype(np.float64).tocoo()
    lengths = np.asarray(counts.sum(1)).ravel()
    num, holding = len(documents), np.bincount(counts.col, minlength=counts.shape[1])
    rarity = np.log(1 + (num - holding + 0.5) / (holding + 0.5))
    saturation = _K1 * (1 - _B + _B * lengths / max(lengths.mean(), 1e-9))
    adds = rarity[counts.col] * counts.data * (_K1 + 1) / (counts.data + saturation[counts.row])
    known = sparse.csr_matrix((adds, (counts.row, counts.col)), shape=counts.shape)
    return words.transform(queries).astype(np.float64), known
