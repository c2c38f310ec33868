import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mason import language
from mason.reports.charts import axis, thin
from mason.reports.numbers import decimal, duration, magnitude, out_of, percent, size

numbers = st.floats(-1e9, 1e9, allow_nan=False).map(lambda v: round(v, 6))


@given(st.lists(numbers, min_size=1, max_size=20))
def test_axis_holds_its_values_with_a_few_round_ticks(values):
    found = axis(values)
    slack = max(1e-6, (max(values) - min(values)) * 1e-9)
    assert found.low <= min(values) + slack and found.high >= max(values) - slack
    assert 2 <= len(found.ticks) <= 7 and found.ticks == sorted(set(found.ticks))
    assert all(-1e-6 <= found.place(v) <= 100 + 1e-6 for v in (*values, *found.ticks))


@given(st.lists(numbers, max_size=9), st.sampled_from([0.0, 1.0, None]))
def test_a_snug_axis_ends_where_it_is_told(values, low):
    found = axis(values, low=low, snug=True)
    assert found.low < found.high and (low is None or found.low == low)
    assert all(found.low - 1e-6 <= t <= found.high + 1e-6 for t in found.ticks)


def test_thin_keeps_the_mean_and_leaves_gaps_out():
    points = [(float(i), float(i % 7)) for i in range(1000)] + [(1000.0, math.nan)]
    thinned = thin(points, 100)
    assert len(thinned) == 100
    assert sum(y for _, y in thinned) / 100 == pytest.approx(sum(i % 7 for i in range(1000)) / 1000)
    assert thin(points[:50]) == points[:50]


@pytest.mark.parametrize(
    ("shown", "wanted"),
    [
        (lambda: percent(0.95249), "95.2%"),
        (lambda: percent(None), "–"),
        (lambda: decimal(0.000123456), "0.000123"),
        (lambda: decimal(1234.5), "1,234"),
        (lambda: decimal(5e-5), "5e-5"),
        (lambda: decimal(-0.25), "-0.25"),
        (lambda: decimal(math.nan), "–"),
        (lambda: decimal(100.0), "100"),
        (lambda: size(87_300_000), "87.3 MB"),
        (lambda: size(12), "12 B"),
        (lambda: duration(4.21), "4.2 s"),
        (lambda: duration(134), "2 min 14 s"),
        (lambda: duration(7261), "2 h 1 min"),
        (lambda: magnitude(33_362_310), "33.4 million"),
        (lambda: magnitude(8.03e9), "8.03 billion"),
        (lambda: out_of(0.95)[:2], ("95", "100")),
        (lambda: out_of(0.9996)[:2], ("9,996", "10,000")),
        (lambda: out_of(0.0)[:2], ("0", "100")),
    ],
)
def test_numbers_read_well(shown, wanted):
    language.use("en")
    try:
        assert shown() == wanted
    finally:
        language.use(None)


def test_chinese_counts_in_ten_thousands():
    language.use("zh")
    try:
        assert magnitude(33_362_310) == "3,336 万" and magnitude(8.03e9) == "80.3 亿"
    finally:
        language.use(None)
