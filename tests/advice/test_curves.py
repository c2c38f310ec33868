"""What more rows would give, where it is known."""

import numpy as np
import pytest

from mason.advice.curves import Curve, fitted_errors, forecast, learning_curve
from mason.advice.probe import linear_probe

SIZES = np.array([50, 100, 200, 400, 800], np.float64)


def power_law(rows, floor, scale, power):
    return floor + scale * np.asarray(rows, float) ** -power


@pytest.mark.parametrize(("floor", "scale", "power"), [(0.08, 1.3, 0.45), (0.0, 0.9, 0.3)])
def test_a_power_law_is_found_again(floor, scale, power):
    errors = power_law(SIZES, floor, scale, power)
    asked = np.array([1600.0, 12800.0])
    told = fitted_errors(SIZES, errors[None], asked)[0]
    assert told == pytest.approx(power_law(asked, floor, scale, power), abs=1e-6)


def test_what_does_not_fall_stays_where_it_is():
    told = fitted_errors(SIZES, np.array([[0.2, 0.2, 0.2, 0.2, 0.2]]), np.array([5000.0]))
    assert told == pytest.approx(0.2)


def test_intervals_hold_the_truth_about_as_often_as_they_say():
    """Right or wrong drawn by a known power law, 100 times."""
    chance, held = np.random.default_rng(3), 1000
    law = {"floor": 0.1, "scale": 2.0, "power": 0.5}
    chances = 1 - power_law(SIZES, **law)
    truth = 1 - float(power_law(3200, **law))
    inside, errors = 0, []
    for seed in range(100):
        ease = chance.random(held)  # a hard row is hard at every size
        drawn = np.array([ease < p + chance.normal(0, 0.01, held) for p in chances], float)
        (told,) = forecast(Curve(SIZES.astype(int), drawn), 800, [3200], seed=seed)
        inside += told.accuracy.low <= truth <= told.accuracy.high
        errors.append(abs(told.accuracy.value - truth))
        assert told.gain.low <= told.gain.value <= told.gain.high
    assert inside >= 85
    assert np.mean(errors) < 0.02


def test_a_curve_rises_with_rows():
    chance = np.random.default_rng(0)
    targets = np.arange(600) % 3
    features = chance.normal(size=(600, 17)) + 2 * np.eye(17)[targets]
    curve = learning_curve(linear_probe, features, targets)
    assert curve.sizes[-1] == 480 and curve.right.shape == (len(curve.sizes), 600)
    assert curve.accuracies[-1] > curve.accuracies[0] + 0.05
