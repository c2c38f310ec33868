"""Label sets as everything a report says of them, beside simpler rivals."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mason.evaluation.baselines import Baseline, words_weighted
from mason.language import say
from mason.metrics.multilabel import Flags, MultiLabelScores, multilabel_scores

MOST_WRONG = 20
"""Mistakes shown, the costliest first."""


@dataclass(frozen=True)
class SetJudgement:
    """Scores, the sets that were said, and the numbers of the rows most wrong."""

    scores: MultiLabelScores
    predictions: Flags
    mistakes: list[int]


def judge_sets(
    targets: NDArray[Any], probabilities: NDArray[Any], threshold: float
) -> SetJudgement:
    """Judge label sets.

    Args:
        targets: 1 where a label is right [rows, labels].
        probabilities: Of each label [rows, labels].
        threshold: From where on a label is said.
    """
    right, likely = targets.astype(bool), probabilities.astype(np.float64)
    said = likely >= threshold
    told = multilabel_scores(right, likely, said)
    given = np.where(right, likely, 1 - likely).clip(1e-9)
    cost = -np.log(given).sum(1)
    wrong = np.flatnonzero((right != said).any(1))
    worst = wrong[np.argsort(-cost[wrong])][:MOST_WRONG]
    return SetJudgement(told, said, worst.tolist())


def set_baselines(
    train: Sequence[str],
    train_targets: NDArray[Any],
    test: Sequence[str],
    test_targets: NDArray[Any],
) -> list[Baseline]:
    """The most frequent label for every text; words with a linear model for each label."""
    rates = train_targets.mean(0)
    # One label at least, else there would be nothing to score.
    usual = (rates >= 0.5) | (rates == rates.max())
    frequent = np.broadcast_to(rates, test_targets.shape).astype(np.float64)
    right = test_targets.astype(bool)
    linear = word_sets(train, train_targets, test)
    rivals = {
        say("the most frequent labels"): (frequent, np.broadcast_to(usual, right.shape)),
        say("word counts and a linear model"): (linear, linear >= 0.5),
    }
    return [
        Baseline(name, scores=multilabel_scores(right, likely, said).overall)
        for name, (likely, said) in rivals.items()
    ]


def word_sets(
    train: Sequence[str], targets: NDArray[Any], test: Sequence[str]
) -> NDArray[np.float64]:
    """Probabilities [test, labels] by words and pairs of words, a linear model for each label.

    Args:
        train: Texts to learn from.
        targets: 1 where a text has a label [train, labels].
        test: Texts to say something of.
    """
    from sklearn.linear_model import LogisticRegression

    words = words_weighted(train)
    known, asked = words.fit_transform(train), words.transform(test)
    likely = np.empty((len(test), targets.shape[1]))
    for j in range(targets.shape[1]):
        column = targets[:, j]
        if column.min() == column.max():
            likely[:, j] = column[0]
            continue
        model = LogisticRegression(C=10.0, max_iter=1000).fit(known, column)
        likely[:, j] = model.predict_proba(asked)[:, 1]
    return likely
