"""What more rows would give, where it is known."""

import numpy as np
import pytest

from mason.advice.asked import Classes, Numbers
from mason.advice.curves import Curve, forecast, learning_curve

SIZES = np.array([50, 100, 200, 400, 800], np.float64)


def power_law(rows, floor, scale, power):
    return floor + scale * np.asarray(rows, float) ** -power


def certain(errors):
    """A curve of which only the draw of rows is unsure: its marks are shares."""
    return Curve(SIZES.astype(int), np.repeat(1 - np.asarray(errors)[:, None], 50, axis=1))


@pytest.mark.parametrize(("floor", "scale", "power"), [(0.08, 1.3, 0.45), (0.0, 0.9, 0.3)])
def test_a_power_law_is_found_again(floor, scale, power):
    law = {"floor": floor, "scale": scale, "power": power}
    near, far = forecast(certain(power_law(SIZES, **law)), 800, [1600, 12800])
    for told in (near, far):
        truth = 1 - float(power_law(told.rows, **law))
        assert told.score.low < truth < told.score.high
        assert told.gain.value == pytest.approx(truth - 1 + float(power_law(800, **law)), abs=0.03)
    assert near.score.value == pytest.approx(1 - float(power_law(1600, **law)), abs=0.01)
    assert far.score.high - far.score.low > near.score.high - near.score.low


def test_what_does_not_fall_stays_where_it_is():
    (told,) = forecast(certain([0.2] * 5), 800, [5000])
    assert told.score.value == pytest.approx(0.8, abs=0.015)
    assert told.gain.value < 0.015


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
        inside += told.score.low <= truth <= told.score.high
        errors.append(abs(told.score.value - truth))
        assert told.gain.low <= told.gain.value <= told.gain.high
    assert inside >= 85
    assert np.mean(errors) < 0.02


def test_copies_of_rows_make_no_forecast_surer():
    chance, sizes = np.random.default_rng(5), np.array([50, 100, 200])
    marks = (chance.random((1, 60)) < np.array([[0.6], [0.7], [0.8]])).astype(float)
    copies, groups = marks.repeat(10, axis=1), np.arange(60).repeat(10).tolist()
    curves = [Curve(sizes, marks), Curve(sizes, copies, groups), Curve(sizes, copies)]
    once, together, apart = (forecast(one, 200, [400])[0].score for one in curves)
    assert (together.low, together.high) == pytest.approx((once.low, once.high))
    assert apart.high - apart.low < 0.5 * (once.high - once.low)


def test_a_curve_rises_with_rows():
    chance = np.random.default_rng(0)
    targets = np.arange(600) % 3
    features = chance.normal(size=(600, 17)) + 2 * np.eye(17)[targets]
    asked = Classes(targets, ("a", "b", "c"))
    curve = learning_curve(asked, asked.probe, features)
    assert curve.sizes[-1] == 480 and curve.marks.shape == (len(curve.sizes), 600)
    assert curve.scores[-1] > curve.scores[0] + 0.05


def test_the_curve_of_numbers_foretells_more_rows():
    """R² of a linear map on noisy features, from 400 rows what 1,600 give."""
    chance = np.random.default_rng(1)
    features = chance.normal(size=(4000, 40))
    values = 7 + 3 * (features @ chance.normal(size=40) / 6 + chance.normal(size=4000))
    asked = Numbers(values[:400])
    (told,) = forecast(learning_curve(asked, asked.probe, features[:400]), 400, [1600])
    said = asked.probe(features[:1600], values[:1600], features[1600:])
    truth = 1 - ((said - values[1600:]) ** 2).mean() / values[1600:].var()
    assert told.score.low <= truth <= told.score.high
    assert abs(told.score.value - truth) < 0.06 and told.gain.value > 0
