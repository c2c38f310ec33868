"""Advice for a small table, on real weights."""

import json
import shutil
from pathlib import Path

import pytest

import mason
from mason.cli.main import run as command
from mason.errors import DataError, SettingsError
from mason.sources import find_model
from mason.workflows.advising import advise
from tests.workflows.conftest import THINGS, write_reviews

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
    assert found.best.promise.probe.value > 0.95 > found.words.value
    told = " ".join(found.sentences)
    assert "commonest label of each word" in told and "training words" in told


def test_refusals(reviews: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="classification and tagging, not regression"):
        advise(reviews, [MODEL], task="regression")
    with pytest.raises(mason.errors.SourceError, match="no model"):
        advise(reviews, ["./nowhere"])
    few = tmp_path / "few.csv"
    few.write_text("text,label\n" + "".join(f"t{i},{'ab'[i % 2]}\n" for i in range(12)))
    with pytest.raises(DataError, match="needs at least 20"):
        advise(few, [MODEL])
