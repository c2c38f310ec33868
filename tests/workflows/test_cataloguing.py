"""Entries of the catalogue: that they can be run, and that runs are written down."""

from dataclasses import replace
from pathlib import Path

import pytest

import mason
from mason.catalog.board import Board
from mason.catalog.entries import ENTRIES, find_entry
from mason.catalog.entry import Expected
from mason.cli.main import run as command
from mason.errors import SourceError
from mason.reports.score_names import _MAIN
from mason.settings import load_settings
from mason.workflows import cataloguing
from mason.workflows.objectives import OBJECTIVES
from mason.workflows.recording import LOWER_IS_BETTER
from mason.workflows.tasks import TASKS
from tests.workflows.conftest import write_reviews


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Board:
    path = tmp_path / "catalog.sqlite"
    monkeypatch.setenv("MASON_CATALOG", str(path))
    return Board(path)


@pytest.mark.parametrize("name", ENTRIES)
def test_an_entry_is_a_command_that_mason_reads(name: str) -> None:
    entry = find_entry(name)
    assert entry.name == name and entry.dataset.citation and entry.paper.year > 1900
    assert entry.task in (TASKS if entry.verb == "train" else OBJECTIVES)
    assert entry.expected.metric in {*_MAIN, *LOWER_IS_BETTER}
    assert entry.expected.value > 0 and entry.expected.within > 0
    words = entry.command(whole=False, output="out")
    given = dict(zip(words[2::2], words[3::2], strict=True))
    dotted = {key.removeprefix("--"): value for key, value in given.items() if "." in key}
    resolved = load_settings(None, dotted)
    assert not resolved.notices
    assert set(dotted) == {key.replace("_", "-") for key in {**entry.settings, **entry.small}}


def test_a_run_of_an_entry_is_written_down_and_judged(
    kept: Board, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The whole way, but with a table of ours, which needs no package."""
    data = write_reviews(tmp_path / "reviews.csv")
    train = cataloguing.train
    monkeypatch.setattr(cataloguing, "train", lambda **told: train(**{**told, "data": str(data)}))
    entry = ENTRIES["trec"]
    small = {**entry.small, "training.max_steps": 4}
    for expected, code in (
        (Expected("accuracy", 0.6, 0.5), 0),
        (Expected("accuracy", 9.0, 1.0), 1),
    ):
        monkeypatch.setitem(ENTRIES, "trec", replace(entry, small=small, expected=expected))
        assert command(["catalog", "run", "trec", "--output", str(tmp_path / f"out{code}")]) == code
    found = kept.measured()
    assert [(one.entry, one.small, one.metric) for one in found] == [("trec", True, "accuracy")] * 2
    assert found[0].low <= found[0].value <= found[0].high and found[0].seconds > 0
    assert found[0].command.startswith("mason train --task classification")
    assert "a deviation" in capsys.readouterr().out

    for output in (None, tmp_path / "kept"):
        mason.train("all-MiniLM-L6-v2", data, output=output, **{"training.max_steps": 1})
    assert len(kept.measured()) == 3, "a run that leaves nothing is a step of something else"
    newest = kept.measured()[0]
    assert (newest.entry, newest.small, newest.data) == ("", False, "reviews.csv")

    assert command(["catalog", "list", "--task", "classification"]) == 0
    assert command(["catalog", "show", "trec"]) == 0
    assert command(["catalog", "export", str(tmp_path / "boards")]) == 0
    printed = capsys.readouterr().out
    assert "97.2" in printed and f"{found[0].value:.4f}" in printed
    page = (tmp_path / "boards" / "index.html").read_text()
    assert "reviews.csv" in page and "trec" in page and "<script" not in page


def test_a_board_that_cannot_be_written_stops_no_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    data, told = write_reviews(tmp_path / "reviews.csv"), []
    monkeypatch.setenv("MASON_CATALOG", str(data / "below a file"))
    options = {"output": tmp_path / "kept", "training.max_steps": 1}
    made = mason.train("all-MiniLM-L6-v2", data, notice=told.append, **options)
    assert made.results["evaluation"] and "MASON_CATALOG" in told[-1]


def test_what_is_not_there_is_a_sentence(kept: Board) -> None:
    with pytest.raises(SourceError, match="trec"):
        find_entry("trek")
    assert command(["catalog", "run", "trek"]) == 2
    assert command(["catalog", "list", "--task", "cooking"]) == 2


def test_without_a_board_there_is_still_a_catalogue(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """``MASON_CATALOG=off``, as in every test."""
    assert command(["catalog", "list"]) == command(["catalog", "show", "trec"]) == 0
    assert "97.2" in capsys.readouterr().out
    assert command(["catalog", "export", str(tmp_path / "boards")]) == 2
    assert "MASON_CATALOG" in capsys.readouterr().err and not (tmp_path / "boards").exists()
