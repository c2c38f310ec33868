"""Marks, scores and neighbours of numbers and label sets, against scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import label_ranking_average_precision_score, r2_score
from sklearn.neighbors import KNeighborsRegressor

from mason.advice.asked import Asked, LabelSets, Numbers
from mason.advice.ranking import promise_of
from mason.advice.transferability import log_evidence, log_me_of_values

ROWS, WIDTH, LABELS = 97, 13, 3


def features_and(asked: str, noise: float = 0.5) -> tuple[np.ndarray, Asked]:
    """Features, and answers that a linear map of them gives but for noise."""
    chance = np.random.default_rng(2)
    features = chance.normal(size=(ROWS, WIDTH)).astype(np.float32)
    clear = features @ chance.normal(size=(WIDTH, LABELS))
    clear += noise * chance.normal(size=(ROWS, LABELS))
    if asked == "numbers":
        return features, Numbers(30 + 4 * clear[:, 0])
    return features, LabelSets(clear > 0.7)


@pytest.mark.parametrize(
    ("kind", "score"), [("numbers", r2_score), ("sets", label_ranking_average_precision_score)]
)
def test_the_mean_mark_is_the_score(kind, score):
    features, asked = features_and(kind)
    said = asked.out_of_fold(asked.probe, features)
    wanted = score(asked.targets, said)
    assert asked.marks(said).mean() == pytest.approx(wanted)
    assert asked.estimate(said).value == pytest.approx(wanted)
    assert asked.estimate(said).low < wanted < asked.estimate(said).high


def test_nothing_is_learned_from_what_is_asked_of():
    """A method that knows its rows by heart knows none of those held out."""

    def by_heart(rows, values, others):
        known = dict(zip(rows, values.tolist(), strict=True))
        return np.array([known.get(row, -1.0) for row in others])

    asked = Numbers(np.arange(20.0))
    assert (asked.out_of_fold(by_heart, [f"row {i}" for i in range(20)]) == -1).all()
    order = asked.out_of_fold(lambda rows, values, others: others, np.arange(20.0))
    assert order.tolist() == list(range(20))


def test_neighbours_of_numbers_as_scikit_learn_finds_them():
    features, asked = features_and("numbers")
    centred = features - features.mean(axis=0)
    unit = centred / np.linalg.norm(centred, axis=1, keepdims=True)
    said = []
    for row in range(ROWS):
        others = np.arange(ROWS) != row
        found = KNeighborsRegressor(5).fit(unit[others], asked.targets[others])
        said.append(found.predict(unit[[row]])[0])
    assert asked.neighbours(features) == pytest.approx(r2_score(asked.targets, said))


def test_log_me_of_numbers_knows_no_unit():
    features, asked = features_and("numbers")
    told = log_me_of_values(features, asked.targets)
    assert told == pytest.approx(log_me_of_values(features, 1000 * asked.targets - 7))
    centred = features.astype(float) - features.mean(axis=0, dtype=float)
    scaled = (asked.targets - asked.targets.mean()) / asked.targets.std()
    assert told == pytest.approx(log_evidence(centred, scaled[:, None])[0])
    twice = np.stack([asked.targets, asked.targets, np.ones(ROWS)], axis=1)
    assert log_me_of_values(features, twice) == pytest.approx(told)


@pytest.mark.parametrize("kind", ["numbers", "sets"])
def test_features_that_tell_more_promise_more(kind):
    clear, noisy = (promise_of(*features_and(kind, noise))[0] for noise in (0.3, 4.0))
    assert len(clear.scores) == 3 and clear.h_score is None
    assert all(a > b for a, b in zip(clear.scores, noisy.scores, strict=True))
