import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import precision_recall_fscore_support

from mason.errors import DataError
from mason.metrics import confusion, scores


def noisy(rows: int, num_classes: int, accuracy: float, seed: int = 0):
    generator = np.random.default_rng(seed)
    targets = generator.integers(0, num_classes, rows)
    wrong = generator.random(rows) > accuracy
    return targets, np.where(wrong, generator.integers(0, num_classes, rows), targets)


labels = st.integers(1, 7).flatmap(
    lambda k: st.tuples(
        st.just(k),
        st.lists(st.tuples(st.integers(0, k - 1), st.integers(0, k - 1)), min_size=1, max_size=40),
    )
)


@settings(max_examples=60, deadline=None)
@given(labels)
def test_agrees_with_scikit_learn(case):
    num_classes, pairs = case
    targets, predictions = np.array(pairs).T
    ours = scores(targets, predictions, num_classes, num_resamples=3)
    for average in ("micro", "macro", "weighted"):
        wanted = precision_recall_fscore_support(
            targets, predictions, average=average, zero_division=0
        )[:3]
        got = [ours.overall[f"{average}_{name}"].value for name in ("precision", "recall", "f1")]
        assert got == pytest.approx(wanted)
    assert ours.overall["accuracy"].value == pytest.approx((targets == predictions).mean())
    per_class = precision_recall_fscore_support(
        targets, predictions, labels=range(num_classes), zero_division=0
    )
    for index, mine in enumerate(ours.per_class):
        assert mine.support == per_class[3][index]
        if index in targets or index in predictions:
            assert [mine.precision, mine.recall, mine.f1] == pytest.approx(
                [per_class[part][index] for part in range(3)]
            )
        else:
            assert mine.precision is mine.recall is mine.f1 is mine.low is mine.high is None


def test_matrix_has_targets_down_and_predictions_across():
    assert confusion([0, 0, 1, 2], [0, 1, 1, 1], 3).tolist() == [[1, 1, 0], [0, 1, 0], [0, 1, 0]]


def test_interval_equals_the_bootstrap_over_rows():
    targets, predictions = noisy(211, 3, 0.8)
    ours = scores(targets, predictions, 3, num_resamples=20_000)
    generator = np.random.default_rng(1)
    macro = []
    for _ in range(4000):
        rows = generator.integers(0, len(targets), len(targets))
        cells = confusion(targets[rows], predictions[rows], 3)
        macro.append(np.mean(2 * np.diag(cells) / (cells.sum(0) + cells.sum(1))))
    low, high = np.quantile(macro, [0.025, 0.975])
    found = ours.overall["macro_f1"]
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.006)


def test_interval_covers_the_true_accuracy_about_95_times_in_100():
    covered = 0
    for seed in range(200):
        correct = np.random.default_rng(seed).random(300) < 0.85
        found = scores(np.zeros(300), 1 - correct, 2, num_resamples=300).overall["accuracy"]
        covered += found.low <= 0.85 <= found.high
    assert 0.90 <= covered / 200 <= 0.99


def test_all_right_is_not_certainty():
    found = scores([0, 1] * 10, [0, 1] * 10, 2)
    accuracy, one_class = found.overall["accuracy"], found.per_class[0]
    assert (accuracy.value, accuracy.high) == (1.0, 1.0)
    assert accuracy.low == pytest.approx(0.025 ** (1 / 20))
    assert one_class.low < accuracy.low, "ten rows say less than twenty"


def test_same_seed_same_interval_and_wider_confidence_wider_interval():
    case = noisy(500, 5, 0.7)
    narrow, again = (scores(*case, 5, confidence=0.8) for _ in range(2))
    wide = scores(*case, 5, confidence=0.99)
    assert narrow == again
    assert wide.overall["macro_f1"].low < narrow.overall["macro_f1"].low
    assert wide.per_class[3].high > narrow.per_class[3].high


@pytest.mark.parametrize("num_classes", [2, 60])
def test_five_thousand_rows_take_under_a_second(num_classes):
    case = noisy(5000, num_classes, 0.8)
    start = time.process_time()
    scores(*case, num_classes)
    assert time.process_time() - start < 1.0


def test_no_rows_is_a_sentence():
    with pytest.raises(DataError, match="no rows to score"):
        scores([], [], 2)


@pytest.mark.filterwarnings("error")
def test_one_draw_that_lacks_a_rare_label_warns_nobody():
    """What training asks for at every evaluation: few draws, labels of one row."""
    targets = np.array([0, 0, 0, 1, 2, 3, 4, 5])
    said = np.array([0, 0, 1, 1, 2, 2, 4, 4])
    for seed in range(20):
        told = scores(targets, said, 6, num_resamples=1, seed=seed)
        ends = [end for one in told.per_class for end in (one.low, one.high) if end is not None]
        assert np.isfinite(ends).all()
