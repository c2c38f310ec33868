"""Rows as they look to whoever has not seen them, and labels that look wrong."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import PredefinedSplit, cross_val_predict

from mason.evaluation.baselines import word_probabilities
from mason.metrics import folds, out_of_fold, suspects


def logistic(inputs, targets, others):
    return LogisticRegression().fit(inputs, targets).predict_proba(others)


def test_every_class_is_shared_out():
    targets = np.repeat([0, 1, 2], [50, 23, 2])
    parts = folds(targets, 5)
    for one, most in ((0, 10), (1, 5), (2, 1)):
        counts = np.bincount(parts[targets == one], minlength=5)
        assert counts.max() == most and counts.max() - counts.min() <= 1


def test_out_of_fold_as_scikit_learn_does_it():
    chance = np.random.default_rng(0)
    targets = np.arange(90) % 3
    inputs = chance.normal(size=(90, 4)) + np.eye(4)[targets]
    parts = PredefinedSplit(folds(targets, 5, seed=3))
    theirs = cross_val_predict(
        LogisticRegression(), inputs, targets, cv=parts, method="predict_proba"
    )
    assert out_of_fold(logistic, inputs, targets, 3, seed=3) == pytest.approx(theirs)


def test_a_class_of_one_row_is_never_likely_where_it_is_not_seen():
    inputs = np.arange(20.0)[:, None]
    targets = np.array([0] * 10 + [1] * 9 + [2])
    told = out_of_fold(logistic, inputs, targets, 4)
    assert told.sum(axis=1) == pytest.approx(1)
    assert told[19, 2] < 1e-5 and (told[:, 3] < 1e-5).all()


def test_suspects_by_hand():
    # Usual probability of its own class: 0: (.9 + .7 + .2) / 3 = .6, 1: (.8 + .4) / 2 = .6
    chances = [[0.9, 0.1], [0.7, 0.3], [0.2, 0.8], [0.2, 0.8], [0.6, 0.4]]
    found = suspects([0, 0, 0, 1, 1], chances)
    assert [(s.row, s.target, s.likelier) for s in found] == [(2, 0, 1), (4, 1, 0)]
    assert found[0].loss == pytest.approx(-np.log(0.2)) and found[0].probability == 0.8


def test_planted_errors_are_found():
    """A tenth of 400 labels flipped: at least 8 in 10 of the first 40 rows named are among them."""
    chance = np.random.default_rng(5)
    words = [
        [f"w{chance.integers(12)}{side}" for _ in range(6)] for side in "ab" for _ in range(200)
    ]
    texts, true = [" ".join(w) for w in words], np.repeat([0, 1], 200)
    wrong = chance.choice(400, 40, replace=False)
    given = true.copy()
    given[wrong] = 1 - given[wrong]
    found = suspects(given, out_of_fold(word_probabilities, texts, given, 2))
    first = [s.row for s in found[:40]]
    assert np.isin(first, wrong).mean() >= 0.8
