"""Models compared on the same rows, from fine-tuned weights."""

import csv
import json
from pathlib import Path

import pytest

import mason
from mason.cli.main import run as command
from mason.errors import SettingsError
from mason.workflows import Classifier, Run
from tests.workflows.conftest import write_reviews


def _contrary(run: Run, folder: Path) -> Path:
    """The same model with its two answers exchanged."""
    model = mason.load(run.folder)
    assert isinstance(model, Classifier)
    output = model.network.heads["classification"].output
    output.weight.data, output.bias.data = output.weight.data.flip(0), output.bias.data.flip(0)
    folder.mkdir()
    model.write(folder)
    return folder


def test_the_first_beside_its_contrary_and_itself(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, other = write_reviews(tmp_path / "reviews.csv"), _contrary(run, tmp_path / "other")
    contest = mason.compare([run.folder, other, run.folder], data)
    first, contrary, same = contest.standings
    assert contest.score == "accuracy" and contest.rows == 70
    assert first.score.value == pytest.approx(1 - contrary.score.value)
    assert contrary.difference is not None and contrary.adjusted is not None
    assert contrary.difference.value == pytest.approx(contrary.score.value - first.score.value)
    assert contrary.difference.high < 0 and contrary.adjusted < 0.05
    assert same.p_value == same.adjusted == 1.0 and same.smallest == 0.0
    assert command(["compare", str(run.folder), str(other), "--data", str(data)]) == 0
    printed = capsys.readouterr().out
    assert f"{other} is worse than the first." in printed and "70 rows" in printed
    given = ["compare", str(run.folder), str(other), "--data", str(data), "--json", "--output"]
    assert command([*given, str(tmp_path / "page.html")]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["standings"][1]["adjusted"] < 0.05 and len(told["sentences"]) == 1
    assert f"{other} is worse than the first." in (tmp_path / "page.html").read_text("utf-8")
    assert command([*given, str(tmp_path / "page.txt")]) == 2
    assert "end its name in .html or .json" in capsys.readouterr().err
    assert command([*given, str(tmp_path / "nowhere" / "page.html")]) == 2
    assert "there is no folder" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == [
        "page.html",
        "reviews.csv",
    ]


def test_what_cannot_be_compared_is_a_sentence(run: Run, tmp_path: Path) -> None:
    data = write_reviews(tmp_path / "reviews.csv")
    for few in ([], [run.folder]):
        with pytest.raises(SettingsError, match=f"two models or more, and {len(few)}"):
            mason.compare(few, data)
    with pytest.raises(SettingsError, match="compare models of one task"):
        mason.compare([run.folder, "all-MiniLM-L6-v2"], data)
    empty = tmp_path / "empty.csv"
    with empty.open("w") as file:
        csv.writer(file).writerow(["text", "label"])
    assert command(["compare", str(run.folder), str(run.folder), "--data", str(empty)]) == 2
