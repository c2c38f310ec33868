import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax

from mason.errors import DataError
from mason.metrics import calibration, fit_temperature


def sample(rows: int, temperature: float, num_classes: int = 5, seed: int = 0):
    """Logits whose targets are drawn from softmax(logits / temperature)."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(scale=3.0, size=(rows, num_classes))
    chances = softmax(logits / temperature, axis=1)
    targets = (chances.cumsum(1) < generator.random((rows, 1))).sum(1)
    return logits, targets


def test_hand_computed():
    found = calibration([0, 1, 1, 0], [[0.9, 0.1], [0.9, 0.1], [0.4, 0.6], [0.4, 0.6]], num_bins=2)
    assert [(b.confidence, b.accuracy, b.count) for b in found.bins] == [
        pytest.approx((0.6, 0.5, 2)),
        pytest.approx((0.9, 0.5, 2)),
    ]
    assert found.ece == pytest.approx(0.5 * 0.1 + 0.5 * 0.4)
    assert found.overconfidence == pytest.approx(0.25)
    wanted = -np.mean(np.log([0.9, 0.1, 0.6, 0.4]))
    assert found.negative_log_likelihood == pytest.approx(wanted)
    assert found.brier == pytest.approx(np.mean([0.02, 1.62, 0.32, 0.72]))


def test_honest_model_stays_under_chance_and_a_boaster_does_not():
    logits, targets = sample(3000, 1.0)
    honest = calibration(targets, softmax(logits, axis=1))
    boaster = calibration(targets, softmax(3 * logits, axis=1))
    assert honest.ece <= honest.chance_ece < boaster.ece
    assert boaster.overconfidence > 0.05
    assert boaster.negative_log_likelihood > honest.negative_log_likelihood


def test_bins_have_equal_mass_and_cover_every_row():
    logits, targets = sample(3001, 1.0)
    counts = [b.count for b in calibration(targets, softmax(logits, axis=1)).bins]
    assert len(counts) == 15 and sum(counts) == 3001 and max(counts) - min(counts) <= 1


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 60))
def test_row_order_does_not_matter(seed, rows):
    generator = np.random.default_rng(seed)
    chances = np.round(softmax(generator.normal(size=(rows, 3)), axis=1), 1) + 1e-3  # many ties
    targets, order = generator.integers(0, 3, rows), generator.permutation(rows)
    first, second = calibration(targets, chances), calibration(targets[order], chances[order])
    assert first.ece == pytest.approx(second.ece)
    assert [b.count for b in first.bins] == [b.count for b in second.bins]


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_temperature_is_recovered(temperature):
    logits, targets = sample(20_000, temperature)
    assert fit_temperature(logits, targets) == pytest.approx(temperature, rel=0.05)


def test_temperature_lowers_the_loss_and_keeps_the_answers():
    logits, targets = sample(2000, 2.0, seed=3)
    cooled = logits / fit_temperature(logits, targets)
    before, after = (calibration(targets, softmax(x, axis=1)) for x in (logits, cooled))
    assert after.negative_log_likelihood < before.negative_log_likelihood
    assert after.ece < before.ece
    assert (cooled.argmax(1) == logits.argmax(1)).all()


def test_all_right_does_not_mean_always_certain():
    targets = np.arange(50) % 2
    logits = np.where(np.arange(2) == targets[:, None], 2.0, -2.0)
    chances = softmax(logits / fit_temperature(logits, targets), axis=1)
    assert 0.97 < chances.max() < 0.9999


def test_no_rows_is_a_sentence():
    with pytest.raises(DataError, match="no rows to calibrate"):
        fit_temperature(np.zeros((0, 2)), [])
