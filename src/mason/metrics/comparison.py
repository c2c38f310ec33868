"""Is B really better than A? Paired tests on the same rows or the same folds."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mason.errors import DataError
from mason.language import say
from mason.metrics.groups import Groups, group_sums


@dataclass(frozen=True)
class Difference:
    """B minus A with its interval; an interval without 0 is a real difference."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Comparison:
    """Two models on the same rows, with what the rows can and cannot tell.

    Attributes:
        difference: Accuracy of B minus accuracy of A, with its bootstrap interval.
        only_a: Rows that only A got right.
        only_b: Rows that only B got right.
        p_value: McNemar's mid-p test of "A and B are equally good".
        smallest_detectable: The difference these rows would have shown 4 times in 5.
        sentence: The verdict in words.
    """

    difference: Difference
    only_a: int
    only_b: int
    p_value: float
    smallest_detectable: float
    sentence: str


def mcnemar(correct_a: ArrayLike, correct_b: ArrayLike, *, mid_p: bool = False) -> float:
    """Exact two-sided p-value of McNemar's test (1947) from right/wrong per row, ``[rows]``.

    Only rows on which A and B disagree carry evidence; without any, the p-value is 1.

    Args:
        correct_a: Where A is right.
        correct_b: Where B is right.
        mid_p: Count what was seen by half, as Fagerland et al. (2013) advise: the exact test
            finds a difference where there is none less often than it says, and misses more.
    """
    only_a, only_b = _disagreements(correct_a, correct_b)
    if only_a + only_b == 0:
        return 1.0
    from scipy import stats

    exact = float(stats.binomtest(only_a, only_a + only_b).pvalue)
    if not mid_p:
        return exact
    seen = float(stats.binom.pmf(only_a, only_a + only_b, 0.5))
    return exact - seen if only_a != only_b else 1 - seen / 2


def permutation_test(
    scores_a: ArrayLike,
    scores_b: ArrayLike,
    *,
    groups: Groups | None = None,
    seed: int = 0,
    num_draws: int = 10_000,
) -> float:
    """Two-sided p-value of "A and B could change places on any row" (Fisher 1935).

    Signs of the differences are drawn.

    Args:
        scores_a: A's, ``[rows]`` of any score of a row.
        scores_b: B's.
        groups: What each row belongs to: of one group all rows change places, or none. None:
            each row is alone.
        seed: Of the draws.
        num_draws: How many.

    Raises:
        DataError: There are no rows.
    """
    gains, _ = group_sums(_gains(scores_a, scores_b), groups)
    gains = gains[gains != 0]
    if gains.size == 0:
        return 1.0
    chance, seen, extreme = np.random.default_rng(seed), abs(gains.sum()), 0
    at_once = max(1, 2_000_000 // gains.size)
    for start in range(0, num_draws, at_once):
        signs = chance.integers(0, 2, (min(at_once, num_draws - start), gains.size)) * 2 - 1
        # Sums of the same numbers in another order differ in their last digits.
        extreme += int((np.abs(signs @ gains) >= seen * (1 - 1e-9)).sum())
    return (extreme + 1) / (num_draws + 1)


def paired_test(
    scores_a: ArrayLike,
    scores_b: ArrayLike,
    *,
    groups: Groups | None = None,
    mid_p: bool = False,
) -> float:
    """Two-sided p-value of "A and B are equally good", ``[rows]`` of any score of a row each.

    McNemar's where rows are right or wrong and each alone, else a permutation test.

    Args:
        scores_a: A's.
        scores_b: B's.
        groups: See ``permutation_test``.
        mid_p: See ``mcnemar``.
    """
    if groups is None and right_or_wrong(scores_a, scores_b):
        return mcnemar(scores_a, scores_b, mid_p=mid_p)
    return permutation_test(scores_a, scores_b, groups=groups)


def right_or_wrong(*scores: ArrayLike) -> bool:
    """Whether rows are worth 0 or 1 and nothing between."""
    return all(set(np.unique(np.asarray(each, np.float64))) <= {0.0, 1.0} for each in scores)


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values of several tests, so that one in 20 such families finds what is not there.

    Holm (1979): the smallest times their number, the next times one less, and so on.
    """
    adjusted, highest = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        highest = max(highest, min(1.0, p_values[i] * (len(p_values) - rank)))
        adjusted[i] = highest
    return adjusted


def paired_bootstrap(
    scores_a: ArrayLike,
    scores_b: ArrayLike,
    *,
    groups: Groups | None = None,
    confidence: float = 0.95,
    seed: int = 0,
    num_resamples: int = 2000,
) -> Difference:
    """Mean of B's minus A's score per row with its percentile interval.

    Args:
        scores_a: A's, ``[rows]`` of any score of a row: right or wrong (the difference is in
            accuracy), a loss, an F1.
        scores_b: B's.
        groups: What each row belongs to: whole groups are drawn. None: each row is alone.
        confidence: Coverage of the interval.
        seed: Of the resampling.
        num_resamples: Bootstrap resamples.

    Raises:
        DataError: There are no rows.
    """
    gains = _gains(scores_a, scores_b)
    sums, sizes = group_sums(gains, groups)
    kinds, counts = np.unique(np.stack([sums, sizes], axis=1), axis=0, return_counts=True)
    draws = np.random.default_rng(seed).multinomial(
        sizes.size, counts / sizes.size, size=num_resamples
    )
    tail = (1 - confidence) / 2
    low, high = np.quantile((draws @ kinds[:, 0]) / (draws @ kinds[:, 1]), [tail, 1 - tail])
    return Difference(float(gains.mean()), float(low), float(high))


def fold_difference(
    scores_a: ArrayLike,
    scores_b: ArrayLike,
    *,
    test_share: float | None = None,
    confidence: float = 0.95,
) -> Difference:
    """Mean of B's minus A's score per fold or seed, ``[folds]`` each, with a paired t interval.

    Args:
        scores_a: A's score on each fold.
        scores_b: B's score on the same folds.
        test_share: Share of the rows each fold tests on (0.1 for 10 folds). With it the
            variance is corrected for training sets that overlap (Nadeau & Bengio 2003);
            leave it out only for runs on independent data.
        confidence: Coverage of the interval.

    Raises:
        DataError: There are fewer than two folds.
    """
    gains = _gains(scores_a, scores_b)
    if gains.size < 2:
        raise DataError("One fold shows no spread; compare over at least two folds or seeds.")
    from scipy import stats

    overlap = 0.0 if test_share is None else test_share / (1 - test_share)
    error = sqrt(gains.var(ddof=1) * (1 / gains.size + overlap))
    margin = float(stats.t.ppf((1 + confidence) / 2, gains.size - 1)) * error
    mean = float(gains.mean())
    return Difference(mean, mean - margin, mean + margin)


def smallest_detectable_difference(
    num_rows: int, disagreement: float, *, significance: float = 0.05, power: float = 0.8
) -> float:
    """The accuracy difference a paired test on ``num_rows`` would find, with chance ``power``.

    Args:
        num_rows: Rows both models are tested on.
        disagreement: Share of rows that exactly one of the two gets right.
        significance: Two-sided level of the test.
        power: Chance of finding a difference of this size.

    Returns:
        A difference in accuracy, 0 to 1 (Connor 1987, solved for the difference).
    """
    sure, strong = _normal_quantiles(significance, power)
    # sqrt(n)·d = sure·√p + strong·√(p − d²): a fixed point, reached from above.
    difference = (sure + strong) * sqrt(disagreement / num_rows)
    for _ in range(50):
        rest = max(disagreement - difference**2, 0.0)
        difference = (sure * sqrt(disagreement) + strong * sqrt(rest)) / sqrt(num_rows)
    return min(difference, 1.0)


def rows_needed(
    difference: float, disagreement: float, *, significance: float = 0.05, power: float = 0.8
) -> int:
    """Rows a paired test needs to find an accuracy ``difference`` (Connor 1987).

    ``disagreement`` is the share of rows that exactly one model gets right: of any score, the
    mean of the squared differences.
    """
    size = abs(difference)
    disagreement = max(disagreement, size**2)
    sure, strong = _normal_quantiles(significance, power)
    total = sure * sqrt(disagreement) + strong * sqrt(disagreement - size**2)
    return ceil((total / size) ** 2)


def compare(correct_a: ArrayLike, correct_b: ArrayLike, *, seed: int = 0) -> Comparison:
    """Compare two models by which of the same rows each got right, ``[rows]`` of booleans.

    Raises:
        DataError: There are no rows.
    """
    difference = paired_bootstrap(correct_a, correct_b, seed=seed)
    only_a, only_b = _disagreements(correct_a, correct_b)
    rows = np.asarray(correct_a).size
    p_value = mcnemar(correct_a, correct_b, mid_p=True)
    disagreement = (only_a + only_b) / rows
    return Comparison(
        difference,
        only_a,
        only_b,
        p_value,
        smallest_detectable_difference(rows, disagreement),
        _sentence(difference.value, p_value, disagreement, rows),
    )


def _sentence(difference: float, p_value: float, disagreement: float, rows: int) -> str:
    points = f"{abs(difference) * 100:.1f}"
    shown = f"{p_value:.2f}" if p_value >= 0.01 else f"{p_value:.1g}"
    if difference == 0:
        return say("No difference: both are right on the same number of rows.")
    if p_value >= 0.05:
        wanted = f"{max(rows_needed(difference, disagreement), rows + 1):,}"
        return say(
            "No proof of a difference: {points} points apart (p = {p}); about {wanted} test rows "
            "would be needed to tell, and there are {rows}.",
            points=points,
            p=shown,
            wanted=wanted,
            rows=f"{rows:,}",
        )
    if difference > 0:
        return say("The second is better by {points} points (p = {p}).", points=points, p=shown)
    return say("The first is better by {points} points (p = {p}).", points=points, p=shown)


def _normal_quantiles(significance: float, power: float) -> tuple[float, float]:
    from scipy import stats

    return float(stats.norm.ppf(1 - significance / 2)), float(stats.norm.ppf(power))


def _gains(scores_a: ArrayLike, scores_b: ArrayLike) -> NDArray[np.float64]:
    first, second = np.asarray(scores_a, np.float64), np.asarray(scores_b, np.float64)
    assert first.ndim == 1 and first.shape == second.shape, (first.shape, second.shape)
    if first.size == 0:
        raise DataError("There are no rows to compare; give both models the same test set.")
    return second - first


def _disagreements(correct_a: ArrayLike, correct_b: ArrayLike) -> tuple[int, int]:
    first, second = np.asarray(correct_a, np.bool_), np.asarray(correct_b, np.bool_)
    assert first.ndim == 1 and first.shape == second.shape, (first.shape, second.shape)
    return int((first & ~second).sum()), int((second & ~first).sum())
