"""mason explain on a real model, whole and broken."""

import json
from pathlib import Path

import pytest
import torch

import mason
from mason.cli.main import run as command
from mason.errors import DataError, SettingsError
from mason.explanation import Explainer
from mason.explanation.methods import find_method
from mason.reports import render
from mason.workflows import Classifier, Embedder, Run
from mason.workflows.explaining import explain, explain_table

from .conftest import write_reviews

TEXT = "The kettle: waste of money."


@pytest.fixture
def model(run: Run) -> Classifier:
    """Read again, so that a test may break it."""
    assert run.folder is not None
    found = mason.load(run.folder)
    assert isinstance(found, Classifier)
    return found


def test_a_picture_is_of_the_users_own_text(model: Classifier) -> None:
    picture = model.explain(TEXT)
    assert picture.shown and picture.answer == "bad"
    assert picture.value == pytest.approx(model.predict(TEXT).probability, abs=1e-5)
    assert [TEXT[w.start : w.end] for w in picture.words] == [w.text for w in picture.words]
    strongest = max(picture.words, key=lambda word: word.weight).text
    assert strongest in ("waste", "money")


def test_the_other_label_is_spoken_for_by_the_opposite(model: Classifier) -> None:
    bad = Explainer(model.network)(model.subject(TEXT), ["occlusion"])[0]
    good = model.subject(TEXT, why="good")
    found = find_method("occlusion").weigh(good).weights
    assert found == pytest.approx([-word.weight for word in bad.words], abs=1e-4)


def test_a_head_of_random_weights_has_its_picture_withheld(model: Classifier) -> None:
    torch.manual_seed(0)
    model.network.heads["classification"].apply(model.network.initialise)
    for picture in explain(model, TEXT, methods=("occlusion", "integrated-gradients")):
        assert not picture.shown and not picture.words
        assert picture.withheld.startswith("Withheld: the words hardly move")


def test_shuffled_embeddings_have_every_picture_withheld(model: Classifier, tmp_path: Path) -> None:
    """Its pictures may be true of it, but on labelled rows it is seen to know nothing."""
    torch.manual_seed(0)
    with torch.no_grad():
        assert model.network.encoder is not None
        table = model.network.encoder.embedding.tokens.weight
        table.copy_(table[torch.randperm(len(table))])
    data = write_reviews(tmp_path / "reviews.csv")
    block = explain_table(model, data, rows=2)["extras"]["explanations"]
    assert [one["shown"] for one in block["surveys"]] == [0]
    assert not any(one["words"] for one in block["pictures"])
    assert set(block["surveys"][0]["failed"]) == {"skill"}


def test_a_run_explains_a_few_of_its_rows(run: Run) -> None:
    block = run.results["extras"]["explanations"]
    assert 1 <= len(block["pictures"]) <= 3
    page = render(run.results)
    assert 'id="explanations"' in page and "Comprehensiveness" in page


def test_the_command_line(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(run.folder)
    assert command(["explain", folder, "--text", TEXT, "--json-lines"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["answer"] == "bad" and told["trust"]["failed"] is None
    assert command(["explain", folder, "--text", TEXT]) == 0
    shown = capsys.readouterr().out
    assert TEXT in shown and "random orders" in shown
    data, page = write_reviews(tmp_path / "reviews.csv"), tmp_path / "page"
    asked = ["explain", folder, "--data", str(data), "--rows", "2", "--output", str(page)]
    assert command(asked) == 0
    assert "occlusion" in capsys.readouterr().out
    assert "can be believed" in (page / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ([], "nothing to explain"),
        (["--text", TEXT, "--method", "tea-leaves"], "no way to explain called 'tea-leaves'"),
        (["--text", TEXT, "--why", "ugly"], "not one of the model's labels"),
        (["--text", TEXT, "--output", "here"], "--data"),
        (["--data", "x.csv", "--rows", "0"], "--rows is 0"),
    ],
)
def test_mistakes(
    options: list[str], reason: str, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(["explain", str(run.folder), *options]) == 2
    assert reason in capsys.readouterr().err


def test_what_has_no_number(run: Run) -> None:
    with pytest.raises(SettingsError, match="cannot be explained"):
        mason.load("all-MiniLM-L6-v2", task=Embedder.task).explain(TEXT)
    with pytest.raises(DataError):
        mason.load(run.folder).explain(TEXT, "a pair")


def test_the_next_token_of_a_language_model() -> None:
    writer = mason.load("SmolLM2-135M-Instruct", task="generation")
    subject = writer.subject("The capital of France is")
    assert subject.answer.strip() and subject.asked == (len(subject.tokens) - 1,)
    assert [subject.spoken(word) for word in subject.words][-2:] == ["France", "is"]


def test_rows_that_a_language_model_goes_on_from(tmp_path: Path) -> None:
    data = tmp_path / "lines.csv"
    data.write_text("text\nThe capital of France is\n,\n", encoding="utf-8")
    block = explain_table("SmolLM2-135M-Instruct", data)["extras"]["explanations"]
    assert [picture["texts"] for picture in block["pictures"]] == [("The capital of France is",)]
