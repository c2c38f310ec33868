"""What the model wrote, on the page: in order of time, a few of many evaluations."""

from mason.reports import render
from tests.reports.samples import sample, watched


def test_samples_are_in_order_of_time_and_escaped() -> None:
    page = render(watched(3))
    places = [page.index(f"guess {i} &lt;b&gt;") for i in range(3)]
    assert places == sorted(places) and page.index("It is red") > places[-1]
    assert "The &lt;mask&gt; horse" in page


def test_of_many_evaluations_the_first_and_the_last_are_among_those_shown() -> None:
    page = render(watched(40))
    shown = [i for i in range(40) if f"guess {i} &lt;" in page]
    assert len(shown) == 6 and shown[0] == 0 and shown[-1] == 39


def test_without_samples_there_is_no_section() -> None:
    assert "What it wrote while it learned" not in render(sample())
