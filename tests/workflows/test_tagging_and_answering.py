"""Tagging and answering from table to model to answer: small runs from random weights."""

import json
import random
from pathlib import Path
from typing import Any

import pytest

import mason
from mason.cli.main import run as command
from mason.errors import CheckpointError, SettingsError
from mason.workflows import Answerer, Run, Tagged, Tagger
from mason.workflows.explaining import explain_table
from tests.contracts.tiny import THINGS, write_model

OPTIONS: dict[str, Any] = {
    "training.max_steps": 100,
    "training.epochs": 100,
    "training.learning_rate": 3e-3,
    "training.label_smoothing": 0.0,
    "training.threads": 1,
}


def write_sentences(file: Path) -> Path:
    """A thing that is praised is B-GOOD and one that is blamed O: the word alone does not tell."""
    draw = random.Random(5)
    lines = []
    for _ in range(260):
        thing, well = draw.choice(THINGS), draw.random() < 0.5
        said = "a fine gift" if well else "too loud"
        words = [*(draw.choice(["the", "a"]) for _ in range(draw.randint(1, 2))), thing]
        lines += [f"{word} O" for word in words[:-1]]
        lines.append(f"{thing} {'B-GOOD' if well else 'O'}")
        lines += [f"{word} O" for word in said.split()] + [""]
    file.write_text("\n".join(lines), encoding="utf-8")
    return file


def write_questions(file: Path) -> Path:
    """The answer is what stands last in the text."""
    draw = random.Random(5)
    rows = []
    for number in range(200):
        thing, last = draw.choice(THINGS), draw.choice(THINGS)
        text = f"{number} the {thing} lasts for years . it works like a {last}"
        row = {"question": "like a ?", "context": text, "answer": last}
        rows.append(row | {"answer_start": len(text) - len(last)})
    file.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def tagged(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("tagged")
    data = write_sentences(folder / "words.conll")
    model = write_model(folder / "model")
    return mason.train(model, data, task="tagging", output=folder / "out", **OPTIONS)


@pytest.fixture(scope="module")
def answered(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("answered")
    data = write_questions(folder / "questions.jsonl")
    model = write_model(folder / "model")
    return mason.train(model, data, task="answering", output=folder / "out", **OPTIONS)


def test_a_tagger_beats_the_most_frequent_tag(tagged: Run) -> None:
    told = tagged.results["evaluation"]
    rival = told["baselines"][1]["scores"]
    assert told["scores"]["entity_f1"]["value"] > rival["entity_f1"]["value"] + 0.1
    assert told["scores"]["word_accuracy"]["low"] > rival["word_accuracy"]["value"]
    assert told["scores"].keys() >= {"strict_entity_f1", "entity_precision", "entity_recall"}
    assert told["per_class"][0]["label"] == "GOOD"
    assert tagged.results["task"]["labels"] == ["B-GOOD", "O"]


def test_an_answerer_beats_sentences_of_the_text(answered: Run) -> None:
    told = answered.results["evaluation"]
    assert told["scores"]["exact_match"]["value"] > 0.5
    assert all(told["scores"]["f1"]["low"] > r["scores"]["f1"]["value"] for r in told["baselines"])
    assert all(error["label"] != error["predicted"] and error["text"] for error in told["errors"])


@pytest.mark.parametrize("name", ["tagged", "answered"])
def test_a_few_rows_are_explained(
    name: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """In the run's report, and of any table."""
    run: Run = request.getfixturevalue(name)
    assert run.results["extras"]["explanations"]["pictures"]
    write, file = {
        "tagged": (write_sentences, "words.conll"),
        "answered": (write_questions, "questions.jsonl"),
    }[name]
    told = explain_table(run.model, write(tmp_path / file), rows=2)
    pictures = told["extras"]["explanations"]["pictures"]
    assert len(pictures) == 2 and all(one["answer"] for one in pictures)


def test_a_tagger_comes_back_as_it_was(tagged: Run) -> None:
    assert tagged.folder is not None and isinstance(tagged.model, Tagger)
    again = mason.load(tagged.folder)
    assert isinstance(again, Tagger)
    text = "the radio a fine gift, the phone too loud"
    mine, back = tagged.model.predict(text), again.predict(text)
    assert isinstance(mine, Tagged) and mine == back
    assert [w.word for w in mine.words][:2] == ["the", "radio"] and len(mine.words) == 10
    assert all(text[w.start : w.end] == w.word for w in mine.words)
    assert again.predict(["", "radio"])[0].words == ()
    page = (tagged.folder / "report.html").read_text(encoding="utf-8")
    assert "Entity F1" in page and "the most frequent tag of each word" in page


def test_an_answerer_comes_back_as_it_was(answered: Run) -> None:
    assert answered.folder is not None and isinstance(answered.model, Answerer)
    again = mason.load(answered.folder)
    assert isinstance(again, Answerer) and again.threshold is None
    text = "1 the lamp lasts for years . it works like a phone"
    found = again.predict("like a ?", text)
    assert found == answered.model.predict("like a ?", text)
    assert found.text == text[found.start : found.end] == "phone"
    assert "Exact match" in (answered.folder / "report.html").read_text(encoding="utf-8")


def test_evaluate_gives_what_training_measured(tagged: Run, answered: Run, tmp_path: Path) -> None:
    words = write_sentences(tmp_path / "words.conll")
    told = mason.evaluate(tagged.folder, words)["evaluation"]
    assert told["scores"]["word_accuracy"]["value"] > 0.9 and told["baselines"] == []
    asked = write_questions(tmp_path / "questions.jsonl")
    assert mason.evaluate(answered.folder, asked)["evaluation"]["scores"]["f1"]["value"] > 0.5


def test_many_questions_to_few_texts_prove_little(answered: Run, tmp_path: Path) -> None:
    """Whatever is asked of four texts, chance alone turns all of them one time in eight."""
    rows = write_questions(tmp_path / "all.jsonl").read_text(encoding="utf-8").splitlines()[:4]
    ways = [f"like a ?{' ?' * n}" for n in range(9)]
    asked = [json.loads(row) | {"question": way} for row in rows for way in ways]
    data = tmp_path / "questions.jsonl"
    data.write_text("\n".join(map(json.dumps, asked)), encoding="utf-8")
    worse = mason.load(answered.folder)
    worse.network.heads["answering"].output.weight.data.neg_()
    _, other = mason.compare([answered.folder, worse], data).standings
    assert other.difference is not None and other.difference.value < -0.3
    assert other.p_value is not None and other.p_value > 0.05 and other.smallest is None


def test_the_commands_answer_in_json(
    tagged: Run, answered: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(["tag", str(tagged.folder), "the radio a fine gift"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [w["word"] for w in told["words"]] == ["the", "radio", "a", "fine", "gift"]
    assert told["entities"] == [{"type": "GOOD", "text": "radio"}]
    words = write_sentences(tmp_path / "words.conll")
    assert command(["tag", str(tagged.folder), "--input", str(words)]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 260
    context = "2 the bag lasts for years . it works like a knife"
    asked = ["answer", str(answered.folder), "like a ?", "--context", context, "--best", "2"]
    assert command(asked) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["answers"][0]["text"] == "knife" and len(told["answers"]) == 2
    table = write_questions(tmp_path / "questions.jsonl")
    assert command(["answer", str(answered.folder), "--input", str(table)]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 200
    assert command(["answer", str(answered.folder)]) == 2
    assert "Nothing is asked" in capsys.readouterr().err
    assert command(["tag", str(answered.folder), "x"]) == 2
    assert "mason tag is for tagging" in capsys.readouterr().err


def test_no_answer_is_learned_and_given(tmp_path: Path) -> None:
    rows = [json.loads(line) for line in write_questions(tmp_path / "q.jsonl").open()]
    for row in rows[::2]:
        row |= {"question": "too loud ?", "answer": None, "answer_start": None}
    (tmp_path / "q.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    model = write_model(tmp_path / "model")
    run = mason.train(model, tmp_path / "q.jsonl", task="answering", **OPTIONS)
    assert isinstance(run.model, Answerer) and run.model.threshold is not None
    scores = run.results["evaluation"]["scores"]
    assert scores["no_answer_accuracy"]["value"] > 0.5 and scores["answered_f1"]["value"] > 0.3


def test_a_model_of_another_kind_is_said(tmp_path: Path) -> None:
    model = write_model(tmp_path / "model")
    with pytest.raises(CheckpointError, match="not been trained to tag words"):
        mason.load(model, task="tagging")
    with pytest.raises(CheckpointError, match="not been trained to find answers"):
        mason.load(model, task="answering")
    assert isinstance(mason.load(model, task="tagging", labels=["A", "B"]), Tagger)
    with pytest.raises(SettingsError, match="choose one of"):
        mason.load(model, task="taging")
