"""Sections that say where a model is worse, and which labels look wrong."""

from mason.reports import render
from tests.reports.samples import sample

SLICE = {
    "by": "length",
    "name": "009–014",
    "rows": 120,
    "accuracy": 0.7,
    "low": 0.6,
    "high": 0.78,
    "rest": 0.93,
    "p_value": 1e-6,
    "adjusted": 2e-6,
    "worse": True,
}
DOUBT = {"row": 1204, "text": "<b>odd", "label": "a", "likelier": "b", "probability": 0.97}


def page(**extras: object) -> str:
    told = sample()
    told["evaluation"]["slices"] = [SLICE, {**SLICE, "by": "source", "name": "<i>", "worse": False}]
    return render({**told, "extras": extras})


def test_a_slice_that_is_worse_is_named_with_its_figures():
    found = page()
    assert "Worse than elsewhere: 9 to 14 tokens long, right on 70.0% of 120 texts" in found
    assert "worse than the others (p = 2e-06)" in found and "from &lt;i&gt;" in found


def test_doubtful_labels_are_listed_by_row():
    found = page(label_errors={"looked_at": 2000, "count": 31, "rows": [DOUBT]})
    assert "Of 2,000 training rows looked at, 31 seem to have a wrong label." in found
    assert "row 1,204" in found and "&lt;b&gt;odd" in found


def test_without_them_there_are_no_such_sections():
    found = render(sample())
    assert 'id="slices"' not in found and 'id="label-errors"' not in found
