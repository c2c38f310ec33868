"""Explanation: which words spoke for a model's answers, and how often that can be believed."""

import time
from collections.abc import Iterator, Sequence
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np

from mason.data.columns import Columns
from mason.data.tables import Table
from mason.errors import DataError, SettingsError
from mason.explanation import (
    DEFAULT_METHOD,
    Explainer,
    Picture,
    Subject,
    as_block,
    without_skill,
)
from mason.explanation.methods import find_method
from mason.models.files import write_json, writing_folder
from mason.reports import write_report
from mason.workflows import results as blocks
from mason.workflows.loading import load_as_it_is
from mason.workflows.model import Model
from mason.workflows.preparing import UNSEEN, data_settings, pick, read_tables
from mason.workflows.tasks import Task, task_of

ROWS = 20
_ROWS_OF_SKILL = 200
_ROWS_OF_RUN, _SECONDS_OF_RUN, _LONGEST_OF_RUN = 3, 5.0, 500


def explain(
    model: Model | str | Path,
    *given: str,
    methods: Sequence[str] = (DEFAULT_METHOD,),
    why: str | None = None,
) -> list[Picture]:
    """Explain the answer to one text, once by each method.

    Args:
        model: A model, or a name as for ``mason.load``.
        given: What it reads: a text, a pair of texts, a question and its text.
        methods: Names of ``mason.explanation.METHODS``.
        why: What to explain: a label, or a word of what it says; None: its answer.

    Raises:
        MasonError: The model cannot be read or explained, or cannot read this.
    """
    ready = model if isinstance(model, Model) else load_as_it_is(model)
    return Explainer(ready.network)(subject_of(ready, given, why), methods)


def subject_of(model: Model, given: Sequence[str], why: str | None) -> Subject:
    """What there is to explain of a model's answer.

    Args:
        model: The model.
        given: What it reads.
        why: See ``explain``.

    Raises:
        MasonError: It reads another number of texts, or cannot be explained.
    """
    try:
        signature(model.subject).bind(*given)
    except TypeError:
        raise SettingsError(
            "Models for {task} do not read {count} texts at once; --pair names the second of two.",
            task=model.task,
            count=len(given),
        ) from None
    return model.subject(*given, why=why)


def explain_table(
    model: Model | str | Path,
    data: str | Path,
    *,
    methods: Sequence[str] = (DEFAULT_METHOD,),
    rows: int = ROWS,
    output: str | Path | None = None,
    command: str | None = None,
    **options: str | None,
) -> dict[str, Any]:
    """Explain the answers to some rows of a table, and count how many pictures hold.

    Where the table has labels and the model is no better on it than the commonest label for
    all, every picture is withheld.

    Args:
        model: A model, or a name as for ``mason.load``.
        data: As for ``mason.evaluate``.
        methods: Names of ``mason.explanation.METHODS``.
        rows: How many at most, evenly over the table.
        output: Folder for ``results.json`` and ``report.html``; None: nothing is written.
        command: How to repeat this, for the report.
        options: Fields of the ``data`` settings, such as ``text`` and ``label``.

    Returns:
        What ``results.json`` holds; the pictures are in ``extras.explanations``.

    Raises:
        MasonError: The data cannot be read, or the model's answers cannot be explained.
    """
    ready = model if isinstance(model, Model) else load_as_it_is(model)
    for name in methods:
        find_method(name)
    task = task_of(ready)
    tables, settings = read_tables(data_settings(data, options))
    table = tables[pick(tables, UNSEEN, data)]
    table = task.arrange({"test": table}, settings)["test"]
    columns = task.columns({"test": table}, settings, complete=False)
    found = list(_pictures(task, ready, table, columns, rows, methods))
    if not found:
        raise DataError("{file} holds no row to explain.", file=table.path)
    if task.skilled(ready, some_rows(table, _ROWS_OF_SKILL), columns) is False:
        found = without_skill(found)
    results = blocks.header("explain", task.describe(ready, columns), ready, command)
    results["extras"] = {"explanations": as_block(found)}
    write_page(results, output)
    return results


def write_page(results: dict[str, Any], output: str | Path | None) -> None:
    """Write ``results.json`` and ``report.html`` into a folder that appears whole.

    Args:
        results: What the first holds.
        output: The folder; None: nothing is written.

    Raises:
        MasonError: The folder cannot be written.
    """
    if output is None:
        return
    with writing_folder(Path(output), kind="explanation") as draft:
        write_json(draft / "results.json", results)
        write_report({**results, "name": Path(output).name}, draft)


def explained_rows(
    task: Task[Any, Any], model: Model, table: Table, columns: Columns
) -> dict[str, Any]:
    """The ``extras`` of a run's report: a few rows explained, as long as it takes no time."""
    if not task.explained_of_itself:
        return {}
    started, found = time.monotonic(), []
    # Of long texts that are not cut, every word is read again and again.
    longest = None if task.cuts else _LONGEST_OF_RUN
    shown = _pictures(task, model, table, columns, _ROWS_OF_RUN, [DEFAULT_METHOD], longest)
    for picture in shown:
        found.append(picture)
        if (time.monotonic() - started) * (1 + 1 / len(found)) > _SECONDS_OF_RUN:
            break
    if task.skilled(model, some_rows(table, _ROWS_OF_SKILL), columns) is False:
        found = without_skill(found)
    return {"explanations": as_block(found)} if found else {}


def _pictures(
    task: Task[Any, Any],
    model: Model,
    table: Table,
    columns: Columns,
    most: int,
    methods: Sequence[str],
    longest: int | None = None,
) -> Iterator[Picture]:
    """Of rows evenly over a table, the shortest text first; of rows without an answer, none.

    ``longest``: the most characters that a row may have.
    """
    if not task.explained:
        raise SettingsError(
            "Answers of models for {task} cannot be explained word by word yet.", task=task.name
        )
    explainer = Explainer(model.network)
    given = task.given(some_rows(table, most), columns)
    for one in sorted(given, key=lambda texts: sum(map(len, texts))):
        if longest is not None and sum(map(len, one)) > longest:
            break
        try:
            subject = model.subject(*one)
        except DataError:
            continue
        yield from explainer(subject, methods)


def some_rows(table: Table, most: int) -> Table:
    """Rows evenly over a table."""
    if len(table) <= most:
        return table
    return table.take(np.linspace(0, len(table) - 1, most).round().astype(int).tolist())
