"""The training rows that a model takes to be most like a text."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mason.data.columns import Columns
from mason.data.tables import Table
from mason.errors import DataError, SettingsError
from mason.explanation.neighbours import Neighbour, nearest
from mason.tasks.classification import PASS, Examples, output_features
from mason.workflows import results as blocks
from mason.workflows.embedder import Embedder
from mason.workflows.explaining import some_rows, write_page
from mason.workflows.loading import load_as_it_is
from mason.workflows.model import Model
from mason.workflows.preparing import columns_of, data_settings, read_tables, texts_of
from mason.workflows.text_reader import TextReader

ROWS = 10_000
MOST = 8
"""Rows that are shown."""
Vectors = NDArray[np.floating[Any]]


def view_neighbours(
    model: Model | str | Path,
    data: str | Path,
    text: str,
    *,
    pair: str | None = None,
    rows: int = ROWS,
    output: str | Path | None = None,
    command: str | None = None,
    **options: str | None,
) -> dict[str, Any]:
    """The rows nearest to a text in the vectors that the model's head reads, with their labels.

    Args:
        model: One that says one thing of a text, or an embedder; or its name.
        data: What it was trained on, or any table of texts.
        text: The text.
        pair: The second text of a pair.
        rows: How many are searched at most, evenly over the table.
        output: Folder for ``results.json`` and ``report.html``; None: nothing is written.
        command: How to repeat this, for the report.
        options: Fields of the ``data`` settings, such as ``label``.

    Returns:
        What ``results.json`` holds; the view is in ``extras.neighbours``.

    Raises:
        MasonError: Model or data cannot be read, or the model has no vector for a text.
    """
    ready = model if isinstance(model, Model) else load_as_it_is(model)
    tables, settings = read_tables(data_settings(data, options))
    table = some_rows(tables["train" if "train" in tables else next(iter(tables))], rows)
    columns = columns_of({"train": table}, settings, need_label=False)
    if not len(table):
        raise DataError("{file} holds no row to explain.", file=table.path)
    if pair is not None and columns.pair is None:
        raise DataError("{file} has no column of second texts.", file=table.path)
    *others, own = _vectors(ready, table, columns, text, pair)
    found = nearest(np.stack(others), own, MOST)
    labels = table.texts(columns.label) if columns.label else None
    answer = None if isinstance(ready, Embedder) else _in_words(ready.predict(text, pair))
    shown = _shown(found, table, texts_of(table, columns.text), labels)
    results = blocks.header(
        "explain", {"text": columns.text, "label": columns.label}, ready, command
    )
    results["extras"] = {
        "neighbours": {
            "text": text if pair is None else f"{text} | {pair}",
            "answer": answer,
            "searched": len(table),
            "file": str(table.path),
            "labels": dict(Counter(str(one["label"]) for one in shown)) if labels else {},
            "rows": shown,
        }
    }
    write_page(results, output)
    return results


def _shown(
    found: Sequence[Neighbour],
    table: Table,
    texts: Sequence[str],
    labels: Sequence[str | None] | None,
) -> list[dict[str, Any]]:
    return [
        {
            "row": int(table.rows[one.row]),
            "text": texts[one.row],
            "label": None if labels is None else labels[one.row],
            "similarity": one.similarity,
        }
        for one in found
    ]


def _in_words(answer: Any) -> str:
    return f"{answer:.4g}" if isinstance(answer, float) else str(answer)


def _vectors(model: Model, table: Table, columns: Columns, text: str, pair: str | None) -> Vectors:
    """Of each row and, last, of the text: what the output matrix reads, or the embedding."""
    texts = [*texts_of(table, columns.text), text]
    if isinstance(model, Embedder):
        return model.predict(texts)
    if not isinstance(model, TextReader):
        raise SettingsError(
            "Models for {task} have no vector of a whole text; nearest rows are for "
            "classification, multilabel, regression and embedding.",
            task=model.task,
        )
    seconds = None if pair is None or columns.pair is None else texts_of(table, columns.pair)
    examples: Examples = model.encode(texts, None if seconds is None else [*seconds, str(pair)])
    features, order = output_features(model.network, examples, len(examples), 0, PASS)
    found = np.zeros((len(order), features.shape[1]))
    found[order] = features.numpy()
    return found
