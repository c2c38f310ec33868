"""Comparison: several models on the same rows, with what the rows can and cannot tell."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mason.errors import DataError, SettingsError
from mason.evaluation.contest import Contest
from mason.language import say
from mason.workflows.loading import load
from mason.workflows.model import Model
from mason.workflows.preparing import data_settings, prepare_test
from mason.workflows.tasks import find_task

_LEAST = 2


def compare(
    models: Sequence[str | Path | Model], data: str | Path, **options: str | None
) -> Contest:
    """Compare the others with the first of several models on every row of a table.

    Args:
        models: Two or more, as for ``mason.load``; all of one task.
        data: As for ``mason.evaluate``; of a folder the test file, else that of validation.
        options: Fields of the ``data`` settings, such as ``text`` and ``label``.

    Raises:
        MasonError: There are fewer than two models, their tasks differ, the task has no score of
            a row, or the data do not fit.
    """
    if len(models) < _LEAST:
        raise SettingsError(
            "A comparison needs two models or more, and {count} was named.", count=len(models)
        )
    names = [
        say("model {number}", number=i + 1) if isinstance(m, Model) else str(m)
        for i, m in enumerate(models)
    ]
    scores, kind = [], ""
    for i, model in enumerate(models):
        ready = model if isinstance(model, Model) else load(model)
        kind = kind or ready.task
        if ready.task != kind:
            raise SettingsError(
                "{first} is for {one}, {other} for {another}; compare models of one task.",
                first=names[0],
                one=kind,
                other=names[i],
                another=ready.task,
            )
        task = find_task(ready.task)
        prepared = task.restrict(ready, prepare_test(data_settings(data, options), task))
        (table,) = prepared.tables.values()
        if not len(table):
            raise DataError("{file} holds no rows with a text and a label.", file=prepared.file)
        each = task.each(ready, table, prepared.columns)
        scores.append(np.asarray(each.values, np.float64))
    return Contest.of(each.name, names, scores, each.groups)
