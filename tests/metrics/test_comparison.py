import numpy as np
import pytest
from scipy import stats

from mason.errors import DataError
from mason.metrics import (
    compare,
    fold_difference,
    holm,
    mcnemar,
    paired_bootstrap,
    paired_test,
    permutation_test,
    rows_needed,
    smallest_detectable_difference,
)


def pair(both: int, only_a: int, only_b: int, neither: int):
    a = [True] * (both + only_a) + [False] * (only_b + neither)
    b = [True] * both + [False] * only_a + [True] * only_b + [False] * neither
    return np.array(a), np.array(b)


def test_mcnemar_is_a_fair_coin_over_the_disagreements():
    assert mcnemar(*pair(90, 1, 7, 2)) == pytest.approx(2 * (1 + 8) / 2**8)
    assert mcnemar(*pair(5, 0, 0, 5)) == 1.0


def test_paired_interval_is_narrower_than_two_separate_ones():
    a, b = pair(400, 10, 25, 65)
    found = paired_bootstrap(a, b, num_resamples=20_000)
    assert found.value == pytest.approx(15 / 500)
    spread = np.sqrt(np.var(b.astype(float) - a) / 500)
    assert found.high - found.low == pytest.approx(2 * 1.96 * spread, rel=0.05)
    separate = 2 * 1.96 * np.sqrt((a.var() + b.var()) / 500)
    assert found.high - found.low < 0.6 * separate


def test_losses_can_be_compared_too():
    generator = np.random.default_rng(0)
    losses = generator.normal(1, 0.5, 300)
    found = paired_bootstrap(losses, losses - 0.1 + generator.normal(0, 0.05, 300))
    assert found.low < -0.1 < found.high < 0


def test_copies_of_rows_prove_no_more():
    """Ten copies of each row, known to belong together, tell what one of each tells."""
    chance = np.random.default_rng(1)
    a, b = chance.random(40), chance.random(40) + 0.15
    many = [np.repeat(scores, 10) for scores in (a, b)]
    groups = [f"text {i}" for i in np.repeat(np.arange(40), 10)]
    once, told = paired_bootstrap(a, b), paired_bootstrap(*many, groups=groups)
    assert (told.value, told.low, told.high) == pytest.approx((once.value, once.low, once.high))
    assert permutation_test(*many, groups=groups) == pytest.approx(permutation_test(a, b), abs=0.01)
    assert permutation_test(*many) < permutation_test(*many, groups=groups) / 10
    right = [scores > 0.5 for scores in many]
    assert paired_test(*right) == mcnemar(*right)
    assert paired_test(*right, groups=groups) == permutation_test(*right, groups=groups)


def test_groups_of_unlike_size_are_drawn_whole():
    sizes = np.array([1, 1, 2, 3, 5, 8, 13, 21])
    gains, groups = np.repeat([0, 1, 0, 1, 0, 1, 0, 1.0], sizes), np.repeat(np.arange(8), sizes)
    told = paired_bootstrap(np.zeros(54), gains, groups=groups.tolist(), num_resamples=20_000)
    drawn = np.random.default_rng(7).integers(8, size=(20_000, 8))
    by_hand = (sizes * (np.arange(8) % 2))[drawn].sum(1) / sizes[drawn].sum(1)
    assert told.value == pytest.approx(33 / 54)
    assert (told.low, told.high) == pytest.approx(np.quantile(by_hand, [0.025, 0.975]), abs=0.02)


def test_fold_interval_matches_scipy_and_the_correction_widens_it():
    a, b = [0.81, 0.79, 0.83, 0.80, 0.82], [0.83, 0.82, 0.84, 0.80, 0.85]
    wanted = stats.ttest_rel(b, a).confidence_interval(0.95)
    plain = fold_difference(a, b)
    assert (plain.low, plain.high) == pytest.approx((wanted.low, wanted.high))
    corrected = fold_difference(a, b, test_share=0.2)
    assert corrected.high - corrected.value == pytest.approx(
        (plain.high - plain.value) * np.sqrt((1 / 5 + 0.25) * 5)
    )


def test_detectable_difference_has_the_promised_power():
    rows, disagreement = 800, 0.12
    size = smallest_detectable_difference(rows, disagreement)
    assert rows_needed(size, disagreement) == pytest.approx(rows, abs=1)
    generator = np.random.default_rng(0)
    shares = [(disagreement - size) / 2, (disagreement + size) / 2, 1 - disagreement]
    draws = generator.multinomial(rows, shares, size=2000)
    z = (draws[:, 1] - draws[:, 0]) / np.sqrt(draws[:, 0] + draws[:, 1])
    assert (np.abs(z) > 1.96).mean() == pytest.approx(0.8, abs=0.04)


def test_verdict_says_which_is_better_or_how_many_rows_would_tell():
    assert compare(*pair(400, 5, 40, 55)).sentence.startswith("The second is better by 7.0")
    assert compare(*pair(400, 40, 5, 55)).sentence.startswith("The first is better by 7.0")
    assert "same number" in compare(*pair(90, 4, 4, 2)).sentence
    unclear = compare(*pair(400, 10, 15, 75))
    assert unclear.p_value > 0.05 and unclear.difference.low < 0 < unclear.difference.high
    assert unclear.sentence.startswith("No proof of a difference: 1.0 points")
    assert "3,9" in unclear.sentence and "there are 500" in unclear.sentence


def test_too_little_to_compare_is_a_sentence():
    with pytest.raises(DataError, match="at least two folds"):
        fold_difference([0.8], [0.9])
    with pytest.raises(DataError, match="no rows to compare"):
        compare([], [])


def test_mid_p_counts_what_was_seen_by_half():
    assert mcnemar(*pair(90, 1, 7, 2), mid_p=True) == pytest.approx(2 * (1 / 2 * 8 + 1) / 2**8)
    assert mcnemar(*pair(5, 3, 3, 5), mid_p=True) == pytest.approx(1 - 20 / 2**6 / 2)
    assert mcnemar(*pair(5, 0, 0, 5), mid_p=True) == 1.0


def test_permutations_as_scipy_draws_them():
    generator = np.random.default_rng(3)
    a = generator.normal(size=60)
    b = a + generator.normal(0.2, 0.8, size=60)

    def mean(x, y, axis):
        return (y - x).mean(axis=axis)

    theirs = stats.permutation_test(
        (a, b), mean, permutation_type="samples", n_resamples=20_000, vectorized=True, rng=1
    )
    assert permutation_test(a, b, num_draws=20_000) == pytest.approx(theirs.pvalue, abs=0.01)
    assert permutation_test(a, a) == 1.0
    with pytest.raises(DataError, match="no rows to compare"):
        permutation_test([], [])


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0] and holm([]) == []


def test_five_in_a_hundred_find_what_is_not_there():
    """Two equal models, 2,000 times: each test errs as often as it says."""
    generator, rows = np.random.default_rng(7), 500
    found = dict.fromkeys(("exact", "mid_p", "bootstrap", "permutation"), 0)
    for i in range(2000):
        apart = generator.random(rows) < 0.1
        a, either = generator.random(rows) < 0.9, generator.random(rows) < 0.5
        a, b = np.where(apart, either, a), np.where(apart, ~either, a)
        drawn = paired_bootstrap(a, b, seed=i, num_resamples=500)
        noise = generator.normal(size=(2, 50))
        found["exact"] += mcnemar(a, b) < 0.05
        found["mid_p"] += mcnemar(a, b, mid_p=True) < 0.05
        found["bootstrap"] += not drawn.low <= 0 <= drawn.high
        found["permutation"] += permutation_test(*noise, seed=i, num_draws=999) < 0.05
    assert found.pop("exact") <= 100
    for name, errors in found.items():
        assert 80 <= errors <= 120, (name, errors)
