"""Comparison: several models on the same rows, with what the rows can and cannot tell."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mason.errors import DataError, SettingsError
from mason.language import say
from mason.metrics import (
    Difference,
    Estimate,
    holm,
    paired_bootstrap,
    paired_test,
    right_or_wrong,
    smallest_detectable_difference,
)
from mason.metrics.groups import Groups
from mason.metrics.texts import mean_estimate
from mason.workflows.loading import load
from mason.workflows.model import Model
from mason.workflows.preparing import data_settings, prepare_test
from mason.workflows.tasks import find_task

_LEAST = 2


@dataclass(frozen=True)
class Standing:
    """A model among others.

    Attributes:
        model: Its name.
        score: Mean over rows, with its bootstrap interval.
        difference: From the first model's, row by row; None for the first.
        p_value: Of "as good as the first": McNemar's mid-p where rows are right or wrong and
            each alone, else a permutation test.
        adjusted: The same after Holm (1979), who lets one family of tests in 20 err.
        smallest: The difference these rows would have shown 4 times in 5, where rows are
            right or wrong and each alone.
    """

    model: str
    score: Estimate
    difference: Difference | None = None
    p_value: float | None = None
    adjusted: float | None = None
    smallest: float | None = None


@dataclass(frozen=True)
class Contest:
    """Models by the order they were given in, on so many rows; ``score`` is named as in reports."""

    score: str
    rows: int
    standings: list[Standing]


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
    return Contest(each.name, len(each.values), _standings(names, scores, each.groups))


def _standings(
    names: Sequence[str], scores: Sequence[np.ndarray], groups: Groups | None
) -> list[Standing]:
    first = scores[0]
    others = zip(names[1:], scores[1:], strict=True)
    told = [_beside(first, each, name, groups) for name, each in others]
    adjusted = holm([s.p_value for s in told if s.p_value is not None])
    told = [replace(s, adjusted=p) for s, p in zip(told, adjusted, strict=True)]
    return [Standing(names[0], mean_estimate(first, groups)), *told]


def _beside(first: np.ndarray, other: np.ndarray, name: str, groups: Groups | None) -> Standing:
    smallest = None
    if groups is None and right_or_wrong(first, other):
        smallest = smallest_detectable_difference(len(first), float((first != other).mean()))
    p_value = paired_test(first, other, groups=groups, mid_p=True)
    difference = paired_bootstrap(first, other, groups=groups)
    return Standing(name, mean_estimate(other, groups), difference, p_value, smallest=smallest)
