"""Texts with their labels, as attacks and defences change them and classifiers learn again."""

import csv
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mason.workflows.classifier import Classifier
from mason.workflows.fine_tuning import Run, train
from mason.workflows.preparing import Prepared, data_settings, prepare, texts_of
from mason.workflows.tasks import find_task

Say = Callable[[str], None]
Rows = Sequence[tuple[str, str]]


def prepared_for(
    model: Classifier, data: str | Path, text: str | None, label: str | None, seed: int
) -> Prepared:
    """A table as ``mason.train`` divides it, as far as the model can answer it."""
    task = find_task(model.task)
    named = data_settings(data, {"text": text, "label": label})
    return task.restrict(model, prepare(named, task, seed=seed))


def rows_by_split(prepared: Prepared) -> dict[str, list[tuple[str, str]]]:
    """Text and label of every row."""
    text, label = prepared.columns.text, prepared.columns.label
    assert label is not None, "a classifier's rows have labels"
    return {
        name: [(a, str(b)) for a, b in zip(texts_of(t, text), t.texts(label), strict=True)]
        for name, t in prepared.tables.items()
    }


def drawn_rows(rows: Rows, most: int, seed: int) -> list[tuple[str, str]]:
    """So many of them at most, in their order."""
    drawn = np.random.default_rng(seed).permutation(len(rows))[:most]
    return [rows[i] for i in sorted(drawn.tolist())]


def learn_rows(
    model: Classifier,
    parts: dict[str, list[tuple[str, str]]],
    options: dict[str, object],
    notice: Say,
    seed: int,
) -> Run:
    """Go on training as ``mason train`` does; the model is changed."""
    fixed: dict[str, Any] = {"data.text": "text", "data.label": "label", "training.seed": seed}
    with tempfile.TemporaryDirectory() as place:
        for name, rows in parts.items():
            _write_rows(Path(place) / f"{name}.csv", rows)
        return train(model, place, notice=notice, **{**fixed, **options})


def _write_rows(file: Path, rows: Iterable[tuple[str, str]]) -> None:
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["text", "label"])
        writer.writerows(rows)
