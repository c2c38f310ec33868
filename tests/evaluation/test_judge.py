"""A judgement by hand: scores, calibration, and the mistakes a person should see first."""

import math

import numpy as np
import pytest

from mason.evaluation import judge
from mason.evaluation.classification import MOST_WRONG

LOGITS = np.log(
    np.array(
        [
            [0.7, 0.2, 0.1],  # right
            [0.1, 0.8, 0.1],  # wrong, surely
            [0.3, 0.3, 0.4],  # right
            [0.5, 0.4, 0.1],  # wrong, less surely
        ],
        dtype=np.float32,
    )
)
TARGETS = np.array([0, 0, 2, 1])


def test_scores_and_mistakes_by_hand() -> None:
    told = judge(LOGITS, TARGETS)
    assert told.predictions.tolist() == [0, 1, 2, 0]
    assert told.confidences.tolist() == pytest.approx([0.7, 0.8, 0.4, 0.5], rel=1e-6)
    assert told.mistakes == [1, 3]
    assert told.scores.overall["accuracy"].value == 0.5
    assert told.scores.confusion == [[1, 1, 0], [1, 0, 0], [0, 0, 1]]
    assert told.calibration["temperature"] == 1
    assert told.calibration["ece_after"] == told.calibration["ece"]


def test_a_temperature_changes_probabilities_and_no_prediction() -> None:
    hot, plain = judge(LOGITS, TARGETS, temperature=2.0), judge(LOGITS, TARGETS)
    roots = [math.sqrt(p) for p in (0.7, 0.2, 0.1)]
    assert hot.confidences[0] == pytest.approx(roots[0] / sum(roots), rel=1e-6)
    assert hot.predictions.tolist() == plain.predictions.tolist()
    assert hot.scores == plain.scores
    assert hot.calibration["ece"] == plain.calibration["ece"] != hot.calibration["ece_after"]


def test_only_the_worst_mistakes_are_kept_the_surest_first() -> None:
    sure = np.linspace(0.1, 3, MOST_WRONG + 5, dtype=np.float32)
    logits = np.stack([np.zeros_like(sure), sure], axis=1)
    told = judge(logits, np.zeros(len(sure), dtype=np.int64))
    assert told.mistakes == list(range(len(sure) - 1, 4, -1))


def test_rows_of_one_label_are_judged() -> None:
    told = judge(LOGITS, np.zeros(4, dtype=np.int64))
    assert told.scores.overall["accuracy"].value == 0.5
    assert math.isfinite(told.calibration["ece"])
