"""What something simpler scores on the same rows: you may not need a Transformer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mason.language import say
from mason.metrics import scores
from mason.metrics.classification import Estimate
from mason.metrics.regression import regression_scores


@dataclass(frozen=True)
class Baseline:
    """A simple method and its accuracy, or its other scores, with intervals."""

    name: str
    accuracy: Estimate | None = None
    scores: Mapping[str, Estimate] = field(default_factory=dict)


def baselines(
    train: Sequence[str],
    train_targets: Sequence[int],
    test: Sequence[str],
    test_targets: Sequence[int],
    num_classes: int,
) -> list[Baseline]:
    """The most frequent label, and words and pairs of words with logistic regression."""
    guesses = {
        say("the most frequent label"): _majority(train_targets, len(test)),
        say("word counts and a linear model"): _linear(train, train_targets, test),
    }
    return [
        Baseline(name, scores(test_targets, guess, num_classes).overall["accuracy"])
        for name, guess in guesses.items()
    ]


def _majority(targets: Sequence[int], num_rows: int) -> np.ndarray:
    return np.full(num_rows, np.bincount(targets).argmax())


def number_baselines(
    train: Sequence[str],
    train_targets: Sequence[float],
    test: Sequence[str],
    test_targets: ArrayLike,
) -> list[Baseline]:
    """Words and pairs of words with ridge regression; the mean would correlate with nothing."""
    told = regression_scores(test_targets, word_numbers(train, train_targets, test))
    return [Baseline(say("word counts and a linear model"), scores=told.overall)]


def word_numbers(
    texts: Sequence[str], values: ArrayLike, others: Sequence[str]
) -> NDArray[np.float64]:
    """Numbers [others] by words and pairs of words with ridge regression.

    Args:
        texts: To learn from.
        values: Their numbers [texts].
        others: Texts to say something of.
    """
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline

    pipeline = make_pipeline(words_weighted(texts), Ridge(alpha=1.0))
    guess: NDArray[np.float64] = pipeline.fit(texts, np.asarray(values)).predict(others)
    return guess


def _linear(train: Sequence[str], targets: Sequence[int], test: Sequence[str]) -> np.ndarray:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    pipeline = make_pipeline(words_weighted(train), LogisticRegression(C=10.0, max_iter=1000))
    guess: np.ndarray = pipeline.fit(train, targets).predict(test)
    return guess


def word_probabilities(
    texts: Sequence[str], targets: NDArray[np.int64], others: Sequence[str]
) -> NDArray[np.float64]:
    """Probabilities [others, classes] by words and pairs of words with logistic regression.

    Args:
        texts: To learn from.
        targets: Their class numbers without gaps.
        others: Texts to say something of.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    pipeline = make_pipeline(words_weighted(texts), LogisticRegression(C=10.0, max_iter=1000))
    told: NDArray[np.float64] = pipeline.fit(texts, targets).predict_proba(others)
    return told


def words_weighted(train: Sequence[str]) -> Any:
    """Counts of words and pairs of words, weighted."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    # Characters within words read Chinese, where spaces do not part the words.
    cjk = sum(any("\u3400" <= c <= "\u9fff" for c in text) for text in train) * 2 > len(train)
    if cjk:
        return TfidfVectorizer(analyzer="char", ngram_range=(1, 2), sublinear_tf=True)
    return TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"\S+")
