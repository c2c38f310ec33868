"""mason compress on every kind of model that it takes: a score of its own, a table, a folder."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mason
from mason.cli.main import run as command
from mason.errors import SettingsError
from mason.models.eight_bits import in_eight_bits
from mason.models.few_bits import held_in_few_bits
from mason.reports import validate
from mason.workflows import Run, measuring
from mason.workflows.measuring import Footprint
from mason.workflows.tasks import task_of
from tests.contracts.tiny import write_model

from .conftest import talks, write
from .test_embedding import write_pairs as write_similar
from .test_multilabel import rows as labelled
from .test_multilabel import write as write_labelled
from .test_tagging_and_answering import write_questions, write_sentences

QUICK: dict[str, Any] = {"training.threads": 1, "training.learning_rate": 3e-3}
SEARCH: dict[str, Any] = {"training.budget": "1s", "training.max_steps": 2, **QUICK}


def _numbers(file: Path) -> Path:
    """How often a text says "very"."""
    rows = ["text,label"] + [f"it is{' very' * (i % 7)} fine {i},{i % 7}" for i in range(180)]
    file.write_text("\n".join(rows), encoding="utf-8")
    return file


def _several(file: Path) -> Path:
    return write_labelled(file, labelled(180))


KINDS: list[tuple[str, str, Callable[[Path], Path], str]] = [
    ("tagging", "rows.conll", write_sentences, "tag_accuracy"),
    ("answering", "rows.jsonl", write_questions, "f1"),
    ("multilabel", "rows.jsonl", _several, "row_f1"),
    ("regression", "rows.csv", _numbers, "-mae"),
    ("embedding", "rows.jsonl", write_similar, "mrr"),
]


@pytest.fixture(autouse=True)
def _sizes_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Times are measured once, in ``test_compressing``: a process each would take minutes."""

    def size(place: Path, given: list[tuple[str, ...]]) -> Footprint:
        assert given and all(isinstance(part, str) for row in given for part in row)
        return Footprint(sum(f.stat().st_size for f in place.iterdir()), 10**8, 5.0, 6.0, 7.0)

    monkeypatch.setattr("mason.workflows.shrinking.footprint", size)


@pytest.mark.parametrize(("task", "file", "make", "score"), KINDS, ids=[k[0] for k in KINDS])
def test_each_task_is_searched_by_its_own_score(
    task: str, file: str, make: Callable[[Path], Path], score: str, tmp_path: Path
) -> None:
    data, model = make(tmp_path / file), write_model(tmp_path / "model")
    steps = {"training.max_steps": 25, "training.epochs": 50}
    run = mason.train(model, data, task=task, output=tmp_path / "whole", **QUICK, **steps)
    small = mason.compress(
        run.folder, data, max_drop=0.5, proof="estimate", output=tmp_path / "small", **SEARCH
    )
    found = _found(small)
    assert found.score == score and found.unit > 0
    kept = next(one for one in found.tried if one.chosen)
    assert kept.num_bytes < found.original.num_bytes and kept.difference.value > -0.5
    assert {one.bits for one in found.tried} == {4, 8, 32}
    again = mason.load(tmp_path / "small")
    assert again.task == task and in_eight_bits(again.network) == (kept.bits < 32)
    _timed(again, data)


def _timed(model: Any, data: Path) -> None:
    """What the clock asks is what the model takes, alone and together."""
    task = task_of(model)
    tables, settings = task.read(mason.settings.DataSettings(train=str(data)))
    tables = task.arrange(tables, settings)
    table = next(iter(tables.values())).take([0, 1, 2])
    given = task.given(table, task.columns(tables, settings))
    assert task.ask(model, *given[0]) is not None
    together: Any = task.ask(model, *map(list, zip(*given, strict=True)))
    assert len(together) == 3


def _found(run: Run) -> Any:
    assert run.folder is not None
    told = validate(json.loads((run.folder / "results.json").read_text(encoding="utf-8")))
    page = (run.folder / "report.html").read_text(encoding="utf-8")
    assert "Size against score" in page and told.compression is not None
    return told.compression


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the model of ``talked`` learned from, as plain documents."""
    file = tmp_path_factory.mktemp("texts") / "texts.txt"
    said = [" ".join(turn["value"] for turn in one["conversations"]) for one in talks()]
    file.write_text("\n\n".join(said), encoding="utf-8")
    return file


def test_a_language_model_is_searched_by_its_likelihood(
    talked: tuple[Run, list[str]], texts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = mason.load(talked[0].folder, task="generation")
    small = mason.compress(
        writer, texts, max_drop=0.5, proof="estimate", output=tmp_path / "small", **SEARCH
    )
    found = _found(small)
    assert found.score == "nats" and {one.tokens for one in found.tried} == {1.0}
    kept = next(one for one in found.tried if one.chosen)
    assert kept.bits == 4 and 2 * kept.num_bytes < found.original.num_bytes
    again = mason.load(tmp_path / "small")
    assert again.task == "generation" and held_in_few_bits(again.network)
    assert small.results["evaluation"]["nats"]["token_loss"]["value"] > 0
    monkeypatch.setattr(measuring, "_ALONE", 2)
    monkeypatch.setattr(measuring, "_WARM", 1)
    needs = measuring._measure(str(tmp_path / "small"), [["It is red."], ["Which colour"]])
    assert 0 < needs["p50"] <= needs["p99"] and needs["texts_per_second"] > 0


def test_a_chat_model_is_searched_by_its_answers(
    talked: tuple[Run, list[str]], tmp_path: Path
) -> None:
    data = write(tmp_path / "talks.jsonl", talks())
    small = mason.compress(
        talked[0].folder, data, max_drop=0.5, proof="estimate", output=tmp_path / "small", **SEARCH
    )
    found, again = _found(small), mason.load(tmp_path / "small")
    assert found.score == "nats" and {one.bits for one in found.tried} >= {4, 8}
    assert again.task == "dialogue" and held_in_few_bits(again.network)


def test_what_has_no_score_is_refused(
    talked: tuple[Run, list[str]],
    texts: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "completer"
    folder.mkdir()
    mason.load(talked[0].folder, task="completion").write(folder)
    assert command(["compress", str(folder), "--data", str(texts), "--output", "nowhere"]) == 2
    said = capsys.readouterr().err
    assert "no score by which models for completion" in said and "tagging" in said
    writer = mason.load(talked[0].folder, task="generation")
    with pytest.raises(SettingsError, match="learn from their data alone"):
        mason.compress(writer, texts, match_layers=True, **SEARCH)


def test_regression_is_told_in_the_unit_of_the_numbers(tmp_path: Path) -> None:
    """A share is one of how far numbers are from their median."""
    data, model = _numbers(tmp_path / "rows.csv"), write_model(tmp_path / "model")
    steps = {"training.max_steps": 2}
    made = mason.train(model, data, task="regression", output=tmp_path / "out", **QUICK, **steps)
    task = task_of(made.model)
    tables, settings = task.read(mason.settings.DataSettings(train=str(data)))
    told = task.each(made.model, tables["all"], task.columns(tables, settings))
    right = np.arange(180) % 7
    assert told.whole == pytest.approx(np.abs(right - 3).mean(), rel=1e-6)
    assert max(told.values) <= 0
