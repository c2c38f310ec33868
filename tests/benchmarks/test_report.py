"""What benchmarks leave behind."""

import sys
from pathlib import Path

import pytest

from benchmarks import report


def test_parts_of_a_benchmark_share_the_page_of_a_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "RESULTS", tmp_path / "docs" / "results")

    def save(value: float, *options: str) -> str:
        monkeypatch.setattr(sys, "argv", ["benchmarks/trial.py", *options, "--save"])
        report.publish("trial", [report.Row("speed", value)], notes="Of a trial.", save=True)
        (page,) = (tmp_path / "docs" / "results").iterdir()
        return page.read_text(encoding="utf-8")

    once = save(1.0, "--data", "trec")
    assert once.startswith("# trial, ") and "`python -m benchmarks.trial --data trec`" in once
    both = save(2.0, "--data", "amazon")
    assert both.startswith(once) and "--data amazon" in both and both.count("| speed |") == 2
    again = save(3.0, "--data", "trec")
    assert again.count("| speed |") == 2 and "| speed | 1 |" not in again
    assert "| speed | 2 |" in again and "| speed | 3 |" in again
    own = save(4.0, "--work", "runs/x", "--place", "/somewhere/own", "--rows", "9")
    assert "`python -m benchmarks.trial --rows 9`" in own and "somewhere" not in own
