"""Evaluation: a trained model on rows it has not seen."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mason.errors import DataError
from mason.evaluation import judge
from mason.models.files import write_json, writing_folder
from mason.reports import write_report
from mason.settings import DataSettings
from mason.tasks.classification import predict_logits
from mason.workflows import results as blocks
from mason.workflows.examples import examples_of
from mason.workflows.loading import load
from mason.workflows.model import Model
from mason.workflows.preparing import prepare, restrict


def evaluate(
    model: Model | str | Path,
    data: str | Path,
    *,
    output: str | Path | None = None,
    command: str | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Measure a model on every row of a table, or on its test split where it has one.

    Args:
        model: A model, or a name as for ``mason.load``.
        data: As for ``mason.train``.
        output: Folder for ``results.json`` and ``report.html``; None: nothing is written.
        command: How to repeat this, for the report.
        options: Fields of the ``data`` settings, such as ``text`` and ``label``.

    Returns:
        What ``results.json`` holds.

    Raises:
        MasonError: The data do not fit the model, or cannot be read.
    """
    start = time.monotonic()
    ready = model if isinstance(model, Model) else load(model)
    settings = DataSettings(train=str(data), **options)
    found = restrict(prepare(settings, seed=0, divide=False), ready.labels)
    table = found.tables["test" if "test" in found.tables else next(iter(found.tables))]
    prepared = replace(found, tables={"test": table})
    if not len(table):
        raise DataError("{file} holds no rows with a text and a label.", file=prepared.file)
    examples = examples_of(ready, table, prepared.columns)
    logits = predict_logits(ready.network, examples)
    judgement = judge(logits, np.asarray(examples.targets), temperature=ready.temperature)
    results = blocks.header("evaluate", prepared.columns, ready, command)
    results["data"] = blocks.data_block(prepared, examples.lengths, ready.max_tokens)
    results["evaluation"] = blocks.evaluation_block(
        judgement, table, prepared.columns, ready.labels, split="test"
    )
    seconds = {"evaluate": time.monotonic() - start}
    texts = [str(t) for t in table.texts(prepared.columns.text)]
    results["cost"] = blocks.cost_block(ready, seconds, texts)
    if output is not None:
        with writing_folder(Path(output), kind="evaluation") as draft:
            write_json(draft / "results.json", results)
            write_report({**results, "name": Path(output).name}, draft)
    return results
