"""A language model asked by its prompt: the curve, and what cannot be asked."""

import json
from pathlib import Path

import numpy as np
import pytest

import mason
from mason.cli.evaluate import evaluate
from mason.data.tables import read
from mason.errors import MasonError
from mason.generation import Sampling, generate
from mason.workflows import Writer
from mason.workflows.asking import FORMS, Told
from mason.workflows.few_shots import curve_in_words, few_shot
from mason.workflows.preparing import data_settings
from mason.workflows.tasks import find_task
from tests.workflows.conftest import write_reviews


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A causal model of a few steps, and a table."""
    made = tmp_path_factory.mktemp("shots")
    data = write_reviews(made / "reviews.csv")
    corpus = made / "corpus.txt"
    corpus.write_text(data.read_text(encoding="utf-8").replace("\n", "\n\n"), encoding="utf-8")
    options = {"model.shape": "gpt2-tiny", "model.vocab_size": 400, "training.max_steps": 3}
    options |= {"data.valid_share": 0.2}
    mason.pretrain(str(corpus), output=made / "model", objective="causal", **options)
    return made


def test_the_curve_has_every_number_of_shots_and_is_the_same_again(folder: Path) -> None:
    told = few_shot(folder / "model", folder / "reviews.csv", shots=(0, 3), output=folder / "out")
    assert [point["shots"] for point in told["curve"]] == [0, 3]
    assert told["labels"] == ["bad", "good"] and told["rows"] == 7
    bare, shown = (point["prompt_tokens"] for point in told["curve"])
    assert shown > bare + 20
    for point in told["curve"]:
        for way in ("plain", "normalised", "calibrated"):
            assert 0 <= point[way]["low"] <= point[way]["value"] <= point[way]["high"] <= 1
    kept = json.loads((folder / "out" / "results.json").read_text(encoding="utf-8"))
    assert kept["curve"] == told["curve"]
    again = few_shot(folder / "model", folder / "reviews.csv", shots=(0, 3))
    assert again["curve"] == told["curve"]


def _pairs(folder: Path) -> Path:
    rows = [{"source": f"{n} cats", "target": f"chats {n}"} for n in range(40)]
    file = folder / "pairs.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return file


def test_what_is_written_is_judged_as_of_a_trained_model(folder: Path, tmp_path: Path) -> None:
    """The prompts hold the examples, and what is written is what ``generate`` writes of them."""
    model, file = mason.load(folder / "model", task="generation"), _pairs(tmp_path)
    told = few_shot(folder / "model", file, task="translation", shots=(0, 2))
    assert told["measures"] == ["bleu", "chrf"] and told["task"] == "translation"
    bare, shown = (point["prompt_tokens"] for point in told["curve"])
    assert shown > bare + 20
    prompts, texts = [[5, 6, 7], [8, 9]], [[11, 12, 13], [14]]
    sampling = Sampling(9, stop_tokens=())
    assert isinstance(model, Writer)
    for before in prompts:
        whole = generate(model.network, [[*before, *text] for text in texts], sampling)
        once = generate(model.network, texts, sampling, shown=before)
        assert [a.tokens for a in once] == [a.tokens for a in whole]


def test_an_example_says_how_it_is_answered(folder: Path, tmp_path: Path) -> None:
    """A model that goes on as the last example did writes what is right where all are alike."""
    rows = [{"prompt": f"say {n}", "completion": "yes" if n else "no"} for n in range(40)]
    file = tmp_path / "same.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    told = few_shot(
        "SmolLM2-135M-Instruct",
        file,
        task="completion",
        shots=(0, 8),
        template="Q: {text}\nA: {label}",
    )
    none, some = (point["exact_completion"]["value"] for point in told["curve"])
    assert none < 0.5 and some > 0.8


def test_questions_and_the_score_of_a_trained_model_beside_it(folder: Path, tmp_path: Path) -> None:
    rows = [
        {"question": f"What is {n}?", "context": f"{n} is small.", "answer": "small"}
        for n in range(40)
    ]
    file = tmp_path / "questions.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    told = few_shot(folder / "model", file, task="answering", shots=(1,))
    assert {"exact_match", "f1"} <= set(told["measures"])
    trained = mason.train(
        folder / "model",
        folder / "reviews.csv",
        output=tmp_path / "tuned",
        **{"training.max_steps": 2},
    )
    both = few_shot(folder / "model", folder / "reviews.csv", shots=(0,), tuned=trained.folder)
    right = trained.results["evaluation"]["scores"]["accuracy"]
    assert both["tuned"]["scores"]["accuracy"] == right, "the same rows"
    assert "trained for it: Accuracy" in curve_in_words(both)
    with pytest.raises(MasonError, match="was trained for classification, not for answering"):
        few_shot(folder / "model", file, task="answering", tuned=trained.folder)


def _told(tmp_path: Path, task: str, rows: list[dict[str, object]], written: list[str]) -> Told:
    """A table of which the last rows are asked about, and what was written of them."""
    file = tmp_path / "rows.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    found, table = find_task(task), read(file)
    columns = found.columns({"train": table}, data_settings(file, {}))
    known, size = len(rows) - len(written), len(rows)
    parts = table.take(range(known)), table.take(range(known, size))
    return Told(found, columns, *parts, written)


def _examples(told: Told) -> list[str]:
    form = FORMS[told.task.name]
    return [row.label for row in form.rows(told.asked, told.columns)]


def test_numbers_are_read_out_of_what_is_written(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [{"text": f"n {n}", "label": n} for n in (1, 3, 5, 2, 4, -1.5)]
    told = _told(tmp_path, "regression", rows, ["5", "about 2,5 of 5", "no idea", "-3"])
    assert _examples(told) == ["5", "2", "4", "-1.5"]
    found = FORMS["regression"].scores(told)  # type: ignore[misc]
    # Nobody knows the third: the mean of 1 and 3 stands for it.
    wanted = np.corrcoef([5, 2, 4, -1.5], [5, 2.5, 2, -3])[0, 1]
    assert found["pearson"].value == pytest.approx(wanted)


def test_label_sets_are_read_out_of_what_is_written(tmp_path: Path) -> None:
    labels = [["a"], ["b", "c"], ["a", "b"], [], ["c"]]
    rows: list[dict[str, object]] = [{"text": f"n {n}", "labels": x} for n, x in enumerate(labels)]
    told = _told(tmp_path, "multilabel", rows, ["B, a", "none", "b, d and e"])
    assert _examples(told) == ["a, b", "none", "c"]
    found = FORMS["multilabel"].scores(told)  # type: ignore[misc]
    assert found["micro_f1"].value == pytest.approx(2 / 3)  # 2 of 3, and one that is wrong


def test_tags_are_read_out_of_what_is_written(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        {"tokens": ["a", "dog", "ran"], "tags": ["D", "N", "V"]},
        {"tokens": ["the", "cat"], "tags": ["D", "N"]},
        {"tokens": ["a", "cat", "a"], "tags": ["D", "N", "D"]},
        {"tokens": ["run", "and/or", "1/2"], "tags": ["V", "C", "M"]},
    ]
    told = _told(tmp_path, "tagging", rows, ["a/D cat/N", "run/V and/or/C then/X 1/2/M"])
    assert _examples(told) == ["a/D cat/N a/D", "run/V and/or/C 1/2/M"]
    found = FORMS["tagging"].scores(told)  # type: ignore[misc]
    assert found["word_accuracy"].value == 1.0  # the word left out has the commonest tag


@pytest.mark.slow
@pytest.mark.parametrize("task", ["regression", "multilabel", "tagging"])
def test_a_language_model_is_asked(task: str, tmp_path: Path) -> None:
    rows: dict[str, list[dict[str, object]]] = {
        "regression": [{"text": f"{n} stars", "label": n} for n in range(40)],
        "multilabel": [
            {"text": f"{n}: {t}", "labels": t.split(" and ")}
            for n, t in enumerate(["red", "red and blue", "blue"] * 14)
        ],
        "tagging": [{"tokens": [f"{n}", "runs"], "tags": ["NUM", "VERB"]} for n in range(40)],
    }
    file = tmp_path / "rows.jsonl"
    file.write_text("\n".join(map(json.dumps, rows[task])), encoding="utf-8")
    told = few_shot("SmolLM2-135M-Instruct", file, task=task, shots=(6,))
    (point,) = told["curve"]
    score = {"regression": "pearson", "multilabel": "micro_f1", "tagging": "word_accuracy"}[task]
    assert point[score]["value"] > 0.7, point
    assert curve_in_words(told)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"task": "dialogue"}, "cannot be asked for by examples"),
        ({"shots": (500,)}, "500 examples are to be shown, but there are 56 rows"),
        ({"shots": (56,)}, "show fewer"),
        ({"template": "{text} is what?"}, "end with {label}"),
        ({"template": "{text} {text.__class__} {label}"}, "end with {label}"),
    ],
)
def test_what_cannot_be_asked_is_said(
    folder: Path, options: dict[str, object], sentence: str
) -> None:
    with pytest.raises(MasonError) as raised:
        few_shot(folder / "model", folder / "reviews.csv", **options)  # type: ignore[arg-type]
    assert sentence in str(raised.value)


def test_an_encoder_cannot_be_asked(folder: Path) -> None:
    with pytest.raises(MasonError, match="does not continue texts"):
        few_shot("all-MiniLM-L6-v2", folder / "reviews.csv")


@pytest.mark.parametrize(
    ("given", "sentence"),
    [({"shots": "many"}, "parted by commas"), ({"template": "{text} {label}"}, "is for --shots")],
)
def test_the_command_refuses_what_means_nothing(
    folder: Path, given: dict[str, str], sentence: str
) -> None:
    with pytest.raises(MasonError, match=sentence):
        evaluate(str(folder / "model"), data=str(folder / "reviews.csv"), **given)  # type: ignore[arg-type]


def test_the_command_prints_the_curve(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, data = str(folder / "model"), str(folder / "reviews.csv")
    assert evaluate(model, data=data, shots="0,2") == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3 and lines[1].startswith("    0:") and "calibrated" in lines[2]
