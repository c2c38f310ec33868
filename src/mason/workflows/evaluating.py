"""Evaluation: a trained model on rows it has not seen."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from mason.errors import DataError
from mason.models.files import write_json, writing_folder
from mason.reports import write_report
from mason.workflows import results as blocks
from mason.workflows.loading import load
from mason.workflows.model import Model
from mason.workflows.preparing import data_settings, prepare_test
from mason.workflows.tasks import find_task


def evaluate(
    model: Model | str | Path,
    data: str | Path,
    *,
    output: str | Path | None = None,
    command: str | None = None,
    every_row: bool = False,
    **options: str | None,
) -> dict[str, Any]:
    """Measure a model on the rows of a table; of a folder on its test split, else validation.

    Args:
        model: A model, or a name as for ``mason.load``.
        data: As for ``mason.train``.
        output: Folder for ``results.json`` and ``report.html``; None: nothing is written.
        command: How to repeat this, for the report.
        every_row: Whether a model that writes writes for every row, and not for 1,000 of them,
            drawn once.
        options: Fields of the ``data`` settings, such as ``text`` and ``label``.

    Returns:
        What ``results.json`` holds.

    Raises:
        MasonError: The data do not fit the model, or cannot be read.
    """
    start = time.monotonic()
    ready = model if isinstance(model, Model) else load(model)
    task = find_task(ready.task)
    prepared = task.restrict(ready, prepare_test(data_settings(data, options), task))
    ((split, table),), columns = prepared.tables.items(), prepared.columns
    if not len(table):
        raise DataError("{file} holds no rows with a text and a label.", file=prepared.file)
    examples = task.examples(ready, table, columns)
    results = blocks.header("evaluate", task.describe(ready, columns), ready, command)
    lengths = task.num_tokens(ready, table, columns, examples)
    num_cut = task.num_cut(ready, lengths, examples)
    results["data"] = blocks.data_block(prepared, lengths, ready.max_tokens, num_cut)
    measured = replace(prepared, whole=every_row)
    results["evaluation"] = task.measure(ready, measured, split, examples)
    seconds = {"evaluate": time.monotonic() - start}
    results["cost"] = blocks.cost_block(
        ready, seconds, table, lambda rows: task.answer(ready, rows, columns)
    )
    if output is not None:
        with writing_folder(Path(output), kind="evaluation") as draft:
            write_json(draft / "results.json", results)
            write_report({**results, "name": Path(output).name}, draft)
    return results
