"""Several labels a text: from the table to the model that transformers opens, and to answers."""

import json
import random
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

import mason
from mason.cli.main import run as command
from mason.errors import DataError
from mason.workflows import Labelled, Labeller, Run
from tests.contracts.tiny import THINGS, write_model

OPTIONS: dict[str, Any] = {
    "training.max_steps": 400,  # with half as many its seed decides what is learned
    "training.epochs": 100,
    "training.learning_rate": 3e-3,
    "training.threads": 1,
    "training.seed": 4,
}


def rows(num: int = 720) -> list[tuple[str, list[str]]]:
    """Texts that name things; their labels are the things, so some have none."""
    draw = random.Random(5)
    told = []
    for number in range(num):
        labels = draw.sample(THINGS[:3], draw.choice([0, 1, 1, 2]))
        others = draw.sample(THINGS[3:], 2)
        said = [*labels, *others]
        draw.shuffle(said)
        told.append((f"the {' the '.join(said)} ({number})", labels))
    return told


def write(file: Path, given: list[tuple[str, list[str]]]) -> Path:
    """As JSON lines with a list."""
    lines = [json.dumps({"text": text, "labels": labels}) for text, labels in given]
    file.write_text("\n".join(lines), encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("several")
    data, model = write(folder / "rows.jsonl", rows()), write_model(folder / "model")
    return mason.train(model, data, task="multilabel", output=folder / "out", **OPTIONS)


def test_it_learns_and_says_so(trained: Run) -> None:
    told = trained.results["evaluation"]
    assert told["scores"].keys() == {"micro_f1", "macro_f1", "subset_accuracy", "lrap"}
    assert told["scores"]["micro_f1"]["value"] > 0.8
    assert told["scores"]["lrap"]["low"] > told["baselines"][0]["scores"]["lrap"]["value"]
    assert [row["label"] for row in told["per_class"]] == sorted(THINGS[:3])
    assert trained.folder is not None
    page = (trained.folder / "report.html").read_text(encoding="utf-8")
    assert "Whole sets right" in page and "Micro F1" in page


@torch.no_grad()
def test_it_comes_back_and_transformers_opens_it(trained: Run, tmp_path: Path) -> None:
    assert trained.folder is not None and isinstance(trained.model, Labeller)
    again = mason.load(trained.folder)
    assert isinstance(again, Labeller) and again.threshold == trained.model.threshold
    found = again.predict(f"the {THINGS[0]} the {THINGS[2]}")
    assert isinstance(found, Labelled) and set(found.labels) == {THINGS[0], THINGS[2]}
    assert len(found.probabilities) == 3
    theirs = transformers.AutoModelForSequenceClassification.from_pretrained(trained.folder)
    assert theirs.config.problem_type == "multi_label_classification"
    ids = again.tokenizer.encode_ids(["the radio"])[0]
    given = torch.tensor([ids])
    told = theirs(given, labels=torch.tensor([[1.0, 0.0, 1.0]]))
    mine = again.probabilities(["the radio"])
    assert np.allclose(told.logits.sigmoid().numpy(), mine, atol=1e-6)
    # Without Mason's own file, the config alone says what it is.
    shutil.copytree(trained.folder, tmp_path / "theirs")
    for name in ("mason.json", "manifest.json"):
        (tmp_path / "theirs" / name).unlink(missing_ok=True)
    assert isinstance(mason.load(tmp_path / "theirs"), Labeller)


def test_every_layout_is_read_alike(trained: Run, tmp_path: Path) -> None:
    given, names = rows(60), sorted(THINGS[:3])
    scores = []
    separated = ["text,labels", *(f"{text},{';'.join(labels)}" for text, labels in given)]
    flags = [f"text,{','.join(names)}"]
    flags += [f"{t},{','.join(str(int(n in labels)) for n in names)}" for t, labels in given]
    for name, lines in (("separated.csv", separated), ("flags.csv", flags)):
        (tmp_path / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
        scores.append(mason.evaluate(trained.folder, tmp_path / name)["evaluation"]["scores"])
    listed = write(tmp_path / "rows.jsonl", given)
    scores.append(mason.evaluate(trained.folder, listed)["evaluation"]["scores"])
    assert scores[0] == scores[1] == scores[2]
    named = mason.evaluate(trained.folder, tmp_path / "flags.csv", label=",".join(names))
    assert named["evaluation"]["scores"] == scores[0]


def test_the_command_gives_every_label(
    trained: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["predict", str(trained.folder), "--text", f"the {THINGS[0]}", "--json-lines"]
    assert command(asked) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["labels"] == [THINGS[0]] and len(told["probabilities"]) == 3
    data, out = write(tmp_path / "rows.jsonl", rows(5)), tmp_path / "out.csv"
    assert command(["predict", str(trained.folder), "--data", str(data), "--output", str(out)]) == 0
    assert out.read_text(encoding="utf-8").startswith("text,labels\n")


WRONG = {
    "two marks": ("text,label\nthe pan,a;b\nthe bag,a|b\n", "parted by any of"),
    "no mark": (
        "text,label\nthe pan is here,a\nthe bag is here,b\n",
        "no cell holds more than one",
    ),
    "no label": ("text,other\nthe pan is here,this one\n", "no column of labels"),
    "no flag": ("text,a,b\nthe pan is here,0,1\nthe bag is here,1,2\n", "no column of labels"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_not_clear_is_asked(name: str, tmp_path: Path) -> None:
    text, sentence = WRONG[name]
    (tmp_path / "rows.csv").write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=sentence):
        mason.train("all-MiniLM-L6-v2", tmp_path / "rows.csv", task="multilabel")


def test_a_named_flag_must_be_one(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("text,a,b\nthe pan,0,1\nthe bag,1,2\n", encoding="utf-8")
    with pytest.raises(DataError, match="row 3, column b: '2' is neither 0 nor 1"):
        mason.check(tmp_path / "rows.csv", task="multilabel", label="a,b")


def test_rows_without_labels_are_no_finding(tmp_path: Path) -> None:
    data = write(tmp_path / "rows.jsonl", rows(60))
    assert all("label" not in found.code for found in mason.check(data, task="multilabel"))


def test_one_label_is_asked_for_and_there_are_lists(tmp_path: Path) -> None:
    data = write(tmp_path / "rows.jsonl", rows(20))
    with pytest.raises(DataError, match="--task multilabel"):
        mason.train("all-MiniLM-L6-v2", data)
    from mason.workflows.few_shots import few_shot

    with pytest.raises(DataError, match="--task multilabel"):
        few_shot("SmolLM2-135M-Instruct", data)
