"""Each score against an independent implementation, or its formula by hand."""

import numpy as np
import pytest
from scipy import stats
from sklearn.covariance import LedoitWolf
from sklearn.linear_model import BayesianRidge
from sklearn.neighbors import KNeighborsClassifier

from mason.advice.ranking import Promise, mean_ranks
from mason.advice.transferability import h_score, log_evidence, log_me, neighbour_accuracy
from mason.metrics import Estimate

ROWS, WIDTH, CLASSES = 97, 13, 5


def clouds(spread: float = 1.0, seed: int = 0):
    """Rows of classes around middles of their own, and the classes."""
    chance = np.random.default_rng(seed)
    targets = np.arange(ROWS) % CLASSES
    middles = chance.normal(size=(CLASSES, WIDTH))
    return middles[targets] + spread * chance.normal(size=(ROWS, WIDTH)), targets


def test_h_score_by_its_formula():
    features, targets = clouds()
    fitted = LedoitWolf().fit(features)
    means = np.array([features[targets == c].mean(axis=0) for c in targets])
    explained = np.cov(means, rowvar=False, bias=True)
    wanted = np.trace(np.linalg.pinv(fitted.covariance_) @ ((1 - fitted.shrinkage_) * explained))
    assert h_score(features, targets) == pytest.approx(wanted)


def test_h_score_without_shrinkage_is_the_canonical_correlations(monkeypatch):
    features, targets = clouds()

    def plain(centred, assume_centered):
        return centred.T @ centred / len(centred), 0.0

    monkeypatch.setattr("sklearn.covariance.ledoit_wolf", plain)
    one_hot = np.eye(CLASSES)[targets]
    first, _ = np.linalg.qr(features - features.mean(axis=0))
    second, _ = np.linalg.qr((one_hot - one_hot.mean(axis=0))[:, :-1])
    cosines = np.linalg.svd(first.T @ second, compute_uv=False)
    assert h_score(features, targets) == pytest.approx((cosines**2).sum())


@pytest.mark.parametrize("rows", [ROWS, 11])  # more rows than features, and fewer
def test_log_evidence_is_that_of_bayesian_ridge(rows):
    features, _ = clouds()
    values = features[:rows, 0] * 0.3 + np.random.default_rng(1).normal(size=rows)
    none = {"alpha_1": 0.0, "alpha_2": 0.0, "lambda_1": 0.0, "lambda_2": 0.0}
    theirs = BayesianRidge(
        fit_intercept=False, compute_score=True, tol=1e-10, max_iter=5000, **none
    )
    theirs.fit(features[:rows], values)
    ours = log_evidence(features[:rows], values[:, None])[0]
    covariance = np.eye(rows) / theirs.alpha_ + features[:rows] @ features[:rows].T / theirs.lambda_
    by_density = stats.multivariate_normal(np.zeros(rows), covariance).logpdf(values)
    assert ours * rows == pytest.approx(by_density, abs=1e-3)
    assert ours * rows == pytest.approx(theirs.scores_[-1], abs=1e-3)


def test_log_me_is_the_mean_over_classes():
    features, targets = clouds()
    each = [log_evidence(features, (targets == c)[:, None].astype(float))[0] for c in range(5)]
    assert log_me(features, targets, CLASSES) == pytest.approx(np.mean(each))
    assert log_me(features, targets, CLASSES + 2) == pytest.approx(np.mean(each))


def test_neighbours_as_scikit_learn_finds_them_without_the_row_itself():
    features, targets = clouds(2.0)
    centred = features - features.mean(axis=0)
    unit = centred / np.linalg.norm(centred, axis=1, keepdims=True)
    right = []
    for row in range(ROWS):
        others = np.arange(ROWS) != row
        found = KNeighborsClassifier(1).fit(unit[others], targets[others])
        right.append(found.predict(unit[[row]])[0] == targets[row])
    assert neighbour_accuracy(features, targets, count=1) == pytest.approx(np.mean(right))


def test_the_nearest_decides_where_votes_are_level():
    angles = np.array([0.0, 0.1, 0.25, 3.0, 3.2, 3.45])
    points = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    assert neighbour_accuracy(points, [0, 0, 1, 1, 0, 0], count=2) == pytest.approx(3 / 6)


@pytest.mark.parametrize("score", [h_score, lambda f, t: log_me(f, t, CLASSES), neighbour_accuracy])
def test_features_that_tell_more_score_higher(score):
    found = [score(*clouds(spread)) for spread in (0.3, 1.0, 3.0)]
    assert found == sorted(found, reverse=True)


def test_places_are_shared_by_those_that_are_level():
    def promise(*scores: float) -> Promise:
        return Promise(*scores[:3], Estimate(scores[3], 0, 1))

    given = {"a": promise(3, 2, 1, 1), "b": promise(2, 2, 2, 1), "c": promise(9, 9, 0, 1)}
    assert mean_ranks(given) == {"a": 2.0, "b": 1.5, "c": 2.5}, "H-score and LogME do not count"


@pytest.mark.parametrize("row", [np.full(8, 0.3), np.random.default_rng(1).normal(size=8)])
def test_features_that_do_not_vary_explain_nothing(row):
    assert h_score(np.tile(row, (20, 1)), np.arange(20) % 2) == pytest.approx(0, abs=1e-6)
