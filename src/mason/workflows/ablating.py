"""What a model can do without, on a user's rows: each layer and each head off in turn."""

import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from mason.data.tables import Table
from mason.errors import DataError, SettingsError
from mason.evaluation.likelihoods import likelihoods
from mason.explanation.ablation import Loss, ablate, parts_of
from mason.language import say
from mason.workflows import results as blocks
from mason.workflows.explaining import some_rows, write_page
from mason.workflows.guesser import Guesser
from mason.workflows.loading import load_as_it_is
from mason.workflows.model import Model
from mason.workflows.preparing import (
    UNSEEN,
    columns_of,
    data_settings,
    pick,
    read_tables,
    texts_of,
)
from mason.workflows.tasks import find_task
from mason.workflows.tasks.task import RowScores
from mason.workflows.writer import Writer

ROWS = 200
Say = Callable[[str], None]


def view_ablation(
    model: Model | str | Path,
    data: str | Path,
    *,
    rows: int = ROWS,
    output: str | Path | None = None,
    command: str | None = None,
    notice: Say = lambda sentence: None,
    **options: str | None,
) -> dict[str, Any]:
    """How much the score of some rows drops without each layer and each head.

    Args:
        model: A model, or a name as for ``mason.load``.
        data: As for ``mason.evaluate``, with labels; for a language model texts alone.
        rows: How many at most, evenly over the table.
        output: Folder for ``results.json`` and ``report.html``; None: nothing is written.
        command: How to repeat this, for the report.
        notice: Called with what a user should know before it takes long.
        options: Fields of the ``data`` settings, such as ``text`` and ``label``.

    Returns:
        What ``results.json`` holds; the view is in ``extras.ablation``.

    Raises:
        MasonError: Model or data cannot be read, or the task has no score of single rows.
    """
    ready = model if isinstance(model, Model) else load_as_it_is(model)
    ready.network.eval()
    parts = parts_of(ready.network)
    score, task = row_scores(ready, data, rows, options)
    started = time.monotonic()
    first = score()
    whole = np.asarray(first.values, np.float64)
    seconds = (time.monotonic() - started) * len(parts)
    notice(
        say(
            "{parts} parts are switched off in turn, over {rows} rows: about {seconds:.0f} s.",
            parts=len(parts),
            rows=len(whole),
            seconds=seconds,
        )
    )
    losses = ablate(
        ready.network, whole, lambda: np.asarray(score().values), parts, groups=first.groups
    )
    results = blocks.header("explain", task, ready, command)
    told = [_told(one) for one in losses]
    results["extras"] = {
        "ablation": {
            "score": first.name,
            "rows": len(whole),
            "whole": float(whole.mean()),
            "parts": told,
        }
    }
    write_page(results, output)
    return results


def _told(loss: Loss) -> dict[str, Any]:
    """A part and what its absence does, as a report holds it."""
    figures = asdict(loss)
    return {**figures.pop("part"), **figures, "sure": loss.sure}


def row_scores(
    model: Model, data: str | Path, rows: int, options: dict[str, str | None]
) -> tuple[Callable[[], RowScores], dict[str, Any]]:
    """How rows are scored, each on its own.

    Args:
        model: Whose answers are scored; a language model's, by how likely it finds the texts.
        data: See ``view_ablation``.
        rows: The same.
        options: The same.

    Returns:
        What scores them, each time it is called, and the task as a report holds it.

    Raises:
        MasonError: The data cannot be read, or the task has no score of single rows.
    """
    tables, settings = read_tables(data_settings(data, options))
    table = tables[pick(tables, UNSEEN, data)]
    if isinstance(model, Writer):
        columns = columns_of({"test": table}, settings, need_label=False)
        sequences = _sequences(model, some_rows(table, rows), columns.text)
        return lambda: _likely(model, sequences), {"text": columns.text}
    if isinstance(model, Guesser):
        raise SettingsError(
            "Models for {task} cannot be compared row by row; measure each with mason evaluate.",
            task=model.task,
        )
    task = find_task(model.task)
    table = some_rows(task.arrange({"test": table}, settings)["test"], rows)
    columns = task.columns({"test": table}, settings)
    if not len(table):
        raise DataError("{file} holds no row to explain.", file=table.path)
    return lambda: task.each(model, table, columns), task.describe(model, columns)


def _sequences(model: Writer, table: Table, column: str) -> list[list[int]]:
    texts = [model.encode_prompt(text)[: model.max_tokens] for text in texts_of(table, column)]
    kept = [ids for ids in texts if len(ids) > 1]
    if not kept:
        raise DataError("{file} holds no row to explain.", file=table.path)
    return kept


def _likely(model: Writer, sequences: list[list[int]]) -> RowScores:
    """Mean log-likelihood of each text's tokens after its first, in nats."""
    told = likelihoods(model.network, [(ids[:1], ids[1:]) for ids in sequences])
    means = [whole / (len(ids) - 1) for (whole, _), ids in zip(told, sequences, strict=True)]
    return RowScores("nats", means, range(len(means)))
