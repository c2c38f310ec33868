"""Marks, scores and neighbours of numbers and label sets, against scikit-learn; two readings."""

import numpy as np
import pytest
from sklearn.metrics import label_ranking_average_precision_score, r2_score
from sklearn.neighbors import KNeighborsRegressor

from mason.advice.asked import Asked, Classes, LabelSets, Numbers
from mason.advice.ranking import promise_of
from mason.advice.transferability import log_evidence, log_me_of_values, nearest

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


def test_what_belongs_together_is_held_out_together():
    """Words of sentences that share a mark: who learned from one word knows its sentence."""
    sentences = np.arange(60) // 6
    asked = Classes(np.arange(60) % 2, ("a", "b"), groups=sentences.tolist())

    def marks_known(rows, targets, others):
        known = np.isin(others, rows)
        return np.stack([known, ~known], axis=1).astype(float)

    assert not asked.out_of_fold(marks_known, sentences)[:, 0].round().any()
    parts = asked.parts(5, seed=0)
    assert np.bincount(parts).tolist() == [12] * 5
    features = np.eye(10)[sentences] + 0.01 * np.arange(60)[:, None]
    assert (sentences[nearest(features)] == sentences[:, None]).all()
    others = sentences[nearest(features, groups=asked.groups)]
    assert (others != sentences[:, None]).all()
    order = asked.shuffled(np.arange(60), np.random.default_rng(0))
    assert (np.diff(sentences[order]) != 0).sum() == 9 and order.tolist() != list(range(60))


def test_sentences_are_drawn_whole():
    """All words of a sentence right, or none: as unsure as so many sentences, not words."""
    right = np.repeat(np.arange(40) % 4 > 0, 25).astype(int)
    said = np.stack([1 - right, right], axis=1).astype(float)
    alone = Classes(np.ones(1000, int), ("a", "b"))
    words = Classes(alone.targets, alone.labels, groups=(np.arange(1000) // 25).tolist())
    few, many = words.estimate(said), alone.estimate(said)
    assert few.value == many.value == 0.75
    assert (few.high - few.low) == pytest.approx(5 * (many.high - many.low), rel=0.15)


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
    found = [features_and(kind, noise) for noise in (0.3, 4.0)]
    clear, noisy = (promise_of(features[:, None], asked)[0] for features, asked in found)
    assert clear.h_score is None and clear.log_me > noisy.log_me
    assert all(a > b for a, b in zip(clear.unseen, noisy.unseen, strict=True))


def test_of_two_readings_the_probe_answers_by_both():
    features, asked = features_and("sets")
    asked = Classes(asked.targets[:, 0].astype(int), ("no", "yes"))
    halves = np.stack([features, features[::-1]], axis=1)
    both, said = promise_of(halves, asked)
    alone = [asked.out_of_fold(asked.probe, halves[:, i]) for i in (0, 1)]
    assert np.allclose(said, np.mean(alone, axis=0))
    assert both.h_score == pytest.approx(np.mean([asked.h_score(halves[:, i]) for i in (0, 1)]))
    assert both.log_me == pytest.approx(np.mean([asked.log_me(halves[:, i]) for i in (0, 1)]))
    assert both.neighbours == pytest.approx(
        np.mean([asked.neighbours(halves[:, i]) for i in (0, 1)])
    )
