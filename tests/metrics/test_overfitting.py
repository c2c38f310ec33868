import math

import pytest

from mason.metrics import overfitting_verdict


def run(train, valid, train_accuracy=None, valid_accuracy=None):
    rows = [
        {"step": 100 * (i + 1), "epoch": i + 1, "train_loss": t, "valid_loss": v}
        for i, (t, v) in enumerate(zip(train, valid, strict=True))
    ]
    for name, values in (("train_accuracy", train_accuracy), ("valid_accuracy", valid_accuracy)):
        for row, value in zip(rows, values or [], strict=False):
            row[name] = value
    return rows


def test_rising_loss_with_falling_training_loss_overfits():
    found = overfitting_verdict(
        run([0.5, 0.2, 0.05, 0.01], [0.6, 0.4, 0.5, 0.7], None, [0.80, 0.88, 0.87, 0.86])
    )
    assert found.kind == "overfits"
    assert "step 200" in found.sentence and "step 200" in found.advice
    evidence = " ".join(found.evidence)
    assert "75.0%" in evidence and "88.0% to 86.0%" in evidence and "0.4" in evidence


def test_rising_loss_with_better_answers_is_overconfidence():
    found = overfitting_verdict(
        run([0.5, 0.2, 0.05, 0.01], [0.6, 0.4, 0.5, 0.7], None, [0.80, 0.88, 0.90, 0.92])
    )
    assert found.kind == "fits" and "too sure" in found.sentence


def test_flat_loss_fits():
    found = overfitting_verdict(run([0.5, 0.3, 0.25, 0.24], [0.5, 0.35, 0.33, 0.335]))
    assert found.kind == "fits"


def test_still_falling_at_the_end_underfits():
    found = overfitting_verdict(run([0.9, 0.7, 0.5], [0.9, 0.72, 0.55]))
    assert found.kind == "underfits" and "still improving" in found.sentence


def test_never_left_guessing_underfits():
    losses = [0.70, 0.693, 0.693, 0.694]
    assert overfitting_verdict(run(losses, losses)).kind == "fits", "the loss alone cannot tell"
    assert overfitting_verdict(run(losses, losses), chance_loss=math.log(2)).kind == "underfits"


def test_both_losses_rising_is_instability():
    found = overfitting_verdict(run([0.9, 0.4, 0.8], [0.9, 0.5, 0.9]))
    assert found.kind == "underfits" and "unstable after step 200" in found.sentence


def test_accuracy_gap_alone_overfits():
    found = overfitting_verdict(
        run([0.5, 0.2, 0.1], [0.8, 0.75, 0.76], [0.8, 0.95, 0.99], [0.7, 0.72, 0.72])
    )
    assert found.kind == "overfits" and "99.0%" in " ".join(found.evidence)


def test_noise_is_not_overfitting():
    found = overfitting_verdict(run([0.5, 0.3, 0.3, 0.29], [0.5, 0.40, 0.42, 0.41]))
    assert found.kind == "fits"


@pytest.mark.parametrize("length", [0, 1, 2])
def test_few_evaluations_are_too_early(length):
    assert overfitting_verdict(run([0.5] * length, [0.5] * length)).kind == "too-early-to-tell"


def test_losses_that_are_not_numbers_are_no_evidence():
    broken = run([math.nan] * 4, [math.nan, 0.5, None, math.inf])
    assert overfitting_verdict(broken).kind == "too-early-to-tell"
