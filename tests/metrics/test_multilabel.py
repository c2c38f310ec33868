"""Scores of label sets beside scikit-learn, row by row too."""

import numpy as np
import pytest
from sklearn import metrics

from mason.metrics.multilabel import best_threshold, lrap_of_rows, multilabel_scores

DRAW = np.random.default_rng(3)
TARGETS = DRAW.random((97, 5)) < 0.3
LIKELY = (DRAW.random((97, 5)) * 0.6 + 0.4 * TARGETS).round(1)


def test_scores_are_scikit_learns() -> None:
    said = LIKELY >= 0.5
    told = multilabel_scores(TARGETS, LIKELY, said)
    assert told.overall["micro_f1"].value == metrics.f1_score(TARGETS, said, average="micro")
    assert told.overall["macro_f1"].value == metrics.f1_score(TARGETS, said, average="macro")
    assert told.overall["subset_accuracy"].value == metrics.accuracy_score(TARGETS, said)
    assert all(score.low < score.value < score.high for score in told.overall.values())
    each = metrics.f1_score(TARGETS, said, average=None)
    assert [row.f1 for row in told.per_class] == pytest.approx(list(each))


def test_rank_precision_row_by_row() -> None:
    alone = [
        metrics.label_ranking_average_precision_score(TARGETS[[i]], LIKELY[[i]])
        for i in range(len(TARGETS))
    ]
    assert lrap_of_rows(TARGETS, LIKELY) == pytest.approx(alone)


def test_the_threshold_is_the_best_there_is() -> None:
    best = best_threshold(TARGETS, LIKELY)
    tried = [
        metrics.f1_score(TARGETS, LIKELY >= t, average="micro") for t in np.linspace(0, 1, 201)
    ]
    assert metrics.f1_score(TARGETS, LIKELY >= best, average="micro") == max(tried)
    sure = np.where(TARGETS, 0.9, 0.1)
    assert best_threshold(TARGETS, sure) == 0.5
