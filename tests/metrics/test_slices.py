"""Kinds of rows on which a model is worse, and how often one is named that is not."""

import numpy as np
import pytest
from scipy import stats

from mason.metrics import by_length, slices


def test_a_slice_by_hand():
    right = [True] * 10 + [False] * 10 + [True] * 80
    first, second = slices(right, {"source": ["a"] * 20 + ["b"] * 80})
    assert (first.by, first.name, first.rows, first.accuracy, first.rest) == (
        "source",
        "a",
        20,
        0.5,
        1.0,
    )
    # All ten mistakes among the twenty: the hypergeometric chance of that.
    assert first.p_value == pytest.approx(stats.hypergeom(100, 10, 20).pmf(10))
    assert first.adjusted == pytest.approx(2 * first.p_value) and first.worse
    assert second.p_value == pytest.approx(1) and not second.worse
    z, n, p = stats.norm.ppf(0.975), 20, 0.5
    half = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    assert (first.low, first.high) == (pytest.approx(0.5 - half), pytest.approx(0.5 + half))


def test_small_kinds_and_the_whole_are_left_out():
    assert slices([True] * 12, {"label": ["a"] * 12}) == []
    assert [s.name for s in slices([True] * 21, {"label": ["a"] * 12 + ["b"] * 9})] == ["a"]


def test_lengths_in_quarters():
    assert by_length([5, 6, 7, 8, 120, 121, 122, 123]) == (
        ["005–006"] * 2 + ["007–008"] * 2 + ["120–121"] * 2 + ["122–123"] * 2
    )
    assert by_length([4, 4, 4, 4]) == ["4–4"] * 4


def test_what_is_no_worse_is_seldom_named():
    """Twelve kinds, none worse, 400 times: at most one time in twenty one of them is named."""
    chance, named = np.random.default_rng(2), 0
    kinds = {
        "label": [str(i % 8) for i in range(480)],
        "source": [str(i // 120) for i in range(480)],
    }
    for _ in range(400):
        named += any(s.worse for s in slices(chance.random(480) < 0.9, kinds))
    assert named <= 20
