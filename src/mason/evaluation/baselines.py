"""What something simpler scores on the same rows: you may not need a Transformer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from mason.language import say
from mason.metrics import scores
from mason.metrics.classification import Estimate


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


def _linear(train: Sequence[str], targets: Sequence[int], test: Sequence[str]) -> np.ndarray:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    # Characters within words read Chinese, where spaces do not part the words.
    cjk = sum(any("\u3400" <= c <= "\u9fff" for c in text) for text in train) * 2 > len(train)
    words = (
        TfidfVectorizer(analyzer="char", ngram_range=(1, 2), sublinear_tf=True)
        if cjk
        else TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"\S+")
    )
    pipeline = make_pipeline(words, LogisticRegression(C=10.0, max_iter=1000))
    guess: np.ndarray = pipeline.fit(train, targets).predict(test)
    return guess
