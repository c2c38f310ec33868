"""A language model asked by its prompt: the curve, and what cannot be asked."""

import json
from pathlib import Path

import pytest

import mason
from mason.cli.evaluate import evaluate
from mason.errors import MasonError
from mason.workflows.few_shots import few_shot
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


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
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
