"""A classifier's logits and the right answers, as everything a report says of them."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mason.metrics import calibration, scores
from mason.metrics.classification import Scores

MOST_WRONG = 20
"""Mistakes shown, the most confident first."""

Logits = NDArray[np.float32]


@dataclass(frozen=True)
class Judgement:
    """Scores, calibration before and after the temperature, and the worst mistakes."""

    scores: Scores
    calibration: dict[str, Any]
    mistakes: list[int]
    """Numbers of the rows most confidently wrong."""
    predictions: NDArray[np.int64]
    confidences: NDArray[np.float64]
    """Calibrated probability of each prediction."""


def judge(logits: Logits, targets: NDArray[np.int64], *, temperature: float = 1.0) -> Judgement:
    """Judge predictions.

    Args:
        logits: Raw outputs [rows, classes].
        targets: Right class numbers [rows].
        temperature: What logits are divided by; fitted on other rows than these.
    """
    from scipy.special import softmax

    probabilities = softmax(logits / temperature, axis=1)
    predictions = logits.argmax(axis=1)
    confidences = probabilities.max(axis=1)
    wrong = np.flatnonzero(predictions != targets)
    worst = wrong[np.argsort(-confidences[wrong])][:MOST_WRONG]
    before = calibration(targets, softmax(logits, axis=1))
    after = calibration(targets, probabilities)
    told = {
        **asdict(before),
        "temperature": temperature,
        "ece_after": after.ece,
        "bins_after": [asdict(b) for b in after.bins],
    }
    overall = scores(targets, predictions, logits.shape[1])
    return Judgement(overall, told, worst.tolist(), predictions, confidences)
