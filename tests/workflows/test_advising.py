"""Advice for a small table, on real weights."""

import json
import shutil
from itertools import product
from pathlib import Path

import pytest

import mason
from mason.cli.main import run as command
from mason.errors import DataError, SettingsError
from mason.sources import find_model
from mason.workflows.advising import advise
from tests.workflows.conftest import SAID, THINGS, write, write_reviews

MODEL = "all-MiniLM-L6-v2"


@pytest.fixture(scope="module")
def reviews(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Reviews with five wrong labels."""
    file = write_reviews(tmp_path_factory.mktemp("advice") / "reviews.csv")
    lines = file.read_text(encoding="utf-8").splitlines()
    for i in range(4, 69, 14):
        text, label = lines[i].rsplit(",", 1)
        lines[i] = f"{text},{'bad' if label == 'good' else 'good'}"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def advice(reviews: Path, tmp_path_factory: pytest.TempPathFactory) -> mason.ShortList:
    """Of a model, its twin that sees every word as the same, and a folder that holds no model."""
    from safetensors.torch import load_file, save_file

    folder = tmp_path_factory.mktemp("models")
    spoilt = shutil.copytree(find_model(MODEL), folder / "spoilt")
    (spoilt / "README.md").unlink()
    weights = load_file(spoilt / "model.safetensors")
    blind = {n: w * (0 if "word_embeddings" in n else 1) for n, w in weights.items()}
    save_file(blind, spoilt / "model.safetensors")
    (folder / "empty").mkdir()
    (folder / "empty" / "config.json").write_text("{}", encoding="utf-8")
    return advise(reviews, [MODEL, folder], **{"data.test_share": 0, "data.valid_share": 0.1})


def test_the_better_model_comes_first(advice: mason.ShortList) -> None:
    first, second = advice.candidates
    assert first.model == MODEL and second.model.endswith("spoilt")
    assert first.place < second.place
    assert first.promise.probe.value > second.promise.probe.value
    assert (first.licence, second.licence) == ("apache-2.0", None)
    assert first.fits and first.memory > first.num_bytes and first.seconds is not None
    assert list(advice.passed_over) and "tokenizer" in " ".join(advice.passed_over.values())


def test_features_in_bf16_promise_the_same(reviews: Path) -> None:
    found = [
        advise(reviews, [MODEL], **{"training.precision": precision}).best.promise.probe.value
        for precision in ("fp32", "bf16")
    ]
    assert abs(found[0] - found[1]) < 0.02


def test_it_says_what_a_person_should_know(advice: mason.ShortList) -> None:
    said = " ".join(advice.sentences)
    assert f"Try {MODEL} first" in said and "You may not need this" in said
    assert "names no licence" in said and "With 126 labelled training rows" in said
    assert {doubt.likelier for doubt in advice.doubts} <= {"good", "bad"}


def test_wrong_labels_are_named_by_their_row(advice: mason.ShortList, reviews: Path) -> None:
    lines = reviews.read_text(encoding="utf-8").splitlines()
    wrong = {i + 1 for i in range(4, 69, 14)}
    first = [doubt.row for doubt in advice.doubts[:3]]
    assert len(wrong & set(first)) >= 2, (first, wrong)
    assert all(advice.doubts[0].text in line for line in [lines[first[0] - 1]])


def test_the_command_prints_and_writes(
    reviews: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["advise", "--data", str(reviews), "--models", MODEL, "--rows", "30"]
    assert command([*given, "--output", str(tmp_path / "advice.json")]) == 0
    shown = capsys.readouterr().out
    assert MODEL in shown and "no model was trained" in shown
    told = json.loads((tmp_path / "advice.json").read_text(encoding="utf-8"))
    assert told["looked_at"] == 30 and told["candidates"][0]["promise"]["h_score"] > 0
    assert isinstance(told["words_suffice"], bool)
    assert command([*given, "--output", str(tmp_path / "advice.html"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["looked_at"] == 30
    assert f"Try {MODEL} first" in (tmp_path / "advice.html").read_text(encoding="utf-8")


def test_words_of_sentences(tmp_path: Path) -> None:
    """A word's tag that only its neighbours tell: the model knows, the word alone does not."""
    said = [("the run of {} was long", "D N I N V A"), ("they run to {} so far", "P V I N R A")]
    said += [("a walk for {} is good", "D N I N V A"), ("we walk with {} too fast", "P V I N R A")]
    lines = [
        "\n".join(f"{w} {t}" for w, t in zip(text.split(), tags.split(), strict=True)).format(name)
        for name in THINGS
        for text, tags in said
    ]
    file = tmp_path / "tags.conll"
    file.write_text("\n\n".join(lines) + "\n", encoding="utf-8")
    found = advise(file, [MODEL], task="tagging")
    assert found.items == "words" and found.looked_at == found.num_rows > 60
    assert found.groups is not None and len(found.groups) == found.looked_at
    assert 6 * len(set(found.groups)) == found.looked_at, "a sentence has six words"
    assert "groups" not in found.to_dict()
    assert found.best.promise.probe.value > 0.95 > found.words.value
    told = " ".join(found.sentences)
    assert "commonest label of each word" in told and "training words" in told


def test_numbers(reviews: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Stars in place of labels: how much of their spread the features tell."""
    rows = [line.rsplit(",", 1) for line in reviews.read_text(encoding="utf-8").splitlines()[1:]]
    stars = tmp_path / "stars.csv"
    told = [f"{text},{4.5 if label == 'good' else 1.5}" for text, label in rows]
    stars.write_text("\n".join(["text,stars", *told]) + "\n", encoding="utf-8")
    given = ["advise", "--data", str(stars), "--label", "stars", "--task", "regression"]
    assert command([*given, "--models", MODEL, "--output", str(tmp_path / "advice.json")]) == 0
    shown = capsys.readouterr().out
    assert "of the variance explained" in shown and "linear probe, R²" in shown
    found = json.loads((tmp_path / "advice.json").read_text(encoding="utf-8"))
    promise = found["candidates"][0]["promise"]
    assert found["measure"] == "r2" and promise["h_score"] is None and found["doubts"] == []
    assert 0.2 < promise["probe"]["value"] < 1 and promise["neighbours"] > 0
    rows_asked = [one["rows"] for one in found["forecasts"]]
    assert rows_asked == [2 * found["num_rows"], 4 * found["num_rows"]]


def test_any_labels(tmp_path: Path) -> None:
    told = [
        {"text": f"{thing}: {good if i % 3 else ''} {bad if i % 2 else ''}.", "labels": labels}
        for i, (thing, good, bad) in enumerate(product(THINGS, SAID["good"], SAID["bad"]))
        for labels in [[name for name, no in (("good", 3), ("bad", 2)) if i % no]]
    ]
    found = advise(write(tmp_path / "rows.jsonl", told), [MODEL], task="multilabel", rows=60)
    assert found.measure == "lrap" and found.looked_at == 60
    assert found.best.promise.probe.value > 0.9 and found.best.promise.neighbours > 0.7
    assert "an LRAP of" in found.sentences[0]


def test_refusals(reviews: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="regression, multilabel, not answering"):
        advise(reviews, [MODEL], task="answering")
    level = tmp_path / "level.csv"
    level.write_text("text,label\n" + "".join(f"t{i},3.5\n" for i in range(40)))
    with pytest.raises(DataError, match="have one label"):
        advise(level, [MODEL], task="regression")
    with pytest.raises(mason.errors.SourceError, match="no model"):
        advise(reviews, ["./nowhere"])
    few = tmp_path / "few.csv"
    few.write_text("text,label\n" + "".join(f"t{i},{'ab'[i % 2]}\n" for i in range(12)))
    with pytest.raises(DataError, match="needs at least 20"):
        advise(few, [MODEL])
