"""Regression: one number for each text, such as a number of stars."""

import math
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from mason.compression import READING
from mason.data.columns import Columns
from mason.data.tables import Table
from mason.errors import CheckpointError, DataError
from mason.evaluation.baselines import number_baselines
from mason.metrics.regression import regression_scores
from mason.settings import PRIVACY, DataSettings
from mason.tasks.regression import (
    HEAD,
    OUTPUT,
    Examples,
    RegressionObjective,
    fit_output,
    predict_values,
)
from mason.training.loop import Scores
from mason.training.recipe import Recipe
from mason.workflows.opening import Chosen, open_model
from mason.workflows.preparing import Prepared, columns_of, texts_of
from mason.workflows.regressor import Regressor
from mason.workflows.tasks.readers import ReaderTask, fit_if_fresh, reads_pairs, sides
from mason.workflows.tasks.task import Block, RowScores

_WORST = 20


class Regression(ReaderTask[Regressor, Examples]):
    """One number for each text."""

    name = "regression"
    ladder = READING
    # Every loss has the variance of all targets in it, so that a row moves others' gradients too.
    unused = (*ReaderTask.unused, "training.label_smoothing", *PRIVACY)

    def columns(
        self, tables: Mapping[str, Table], settings: DataSettings, *, complete: bool = True
    ) -> Columns:
        """Text, group, and the number: it is an answer, for numbers are no classes."""
        found = columns_of(tables, settings, need_label=complete)
        return replace(found, label=None, answer=found.label)

    def check(self, table: Table, columns: Columns) -> None:
        """Values are numbers."""
        if columns.answer is not None:
            numbers_of(table, columns.answer)

    def load(self, path: Path, chosen: Chosen) -> Regressor:
        """The model in a folder, or any with a fresh output of one number."""
        opened = open_model(path, chosen, heads=(HEAD,))
        if len(opened.network.spec.labels) != 1 or (
            chosen.labels is None and OUTPUT in opened.fresh
        ):
            raise CheckpointError(
                "{source} has not been trained to give numbers; train it first with mason train "
                "--task regression.",
                source=chosen.source,
            )
        return opened.become(Regressor, pairs=reads_pairs(opened, told=not chosen.labels))

    def start(self, path: Path, chosen: Chosen, prepared: Prepared) -> Regressor:
        """The model with one output, called by the column's name."""
        assert prepared.columns.answer is not None, "training data have numbers"
        return self.load(path, replace(chosen, labels=(prepared.columns.answer,)))

    def examples(self, model: Regressor, table: Table, columns: Columns) -> Examples:
        """Tokens and numbers."""
        targets = None if columns.answer is None else numbers_of(table, columns.answer)
        return Examples(model.encode(*sides(table, columns)), targets)

    def objective(self, train: Examples, recipe: Recipe) -> RegressionObjective:
        """Squared error over the variance."""
        return RegressionObjective(train)

    def validate(self, model: Regressor, held: Examples) -> Scores:
        """Squared error over the variance: the share of it that is not explained."""
        wanted, found = np.asarray(held.targets), predict_values(model.network, held)
        return {"valid_loss": float(((found - wanted) ** 2).mean() / max(wanted.var(), 1e-12))}

    def before_training(self, model: Regressor, train: Examples, recipe: Recipe) -> None:
        """Fit a fresh output to the features as they are."""
        fit_if_fresh(fit_output, model, train, recipe)

    def chance_loss(self, model: Regressor, train: Examples) -> float:
        """Of the mean, whatever the text."""
        return 1.0

    def measure(
        self, model: Regressor, prepared: Prepared, split: str, examples: Examples
    ) -> Block:
        """Correlations, distances and the worst rows, beside the mean and a linear model."""
        tables, columns = prepared.tables, prepared.columns
        table = tables[split]
        wanted, found = np.asarray(examples.targets), predict_values(model.network, examples)
        told, texts = regression_scores(wanted, found), texts_of(table, columns.text)
        rivals = []
        if "train" in tables and columns.answer is not None:
            train = tables["train"]
            known = numbers_of(train, columns.answer)
            rivals = number_baselines(texts_of(train, columns.text), known, texts, wanted)
        worst = np.argsort(-np.abs(found - wanted))[:_WORST]
        return {
            "split": split,
            "rows": told.rows,
            "confidence": told.confidence,
            "scores": {name: asdict(score) for name, score in told.overall.items()},
            "distances": {name: asdict(score) for name, score in told.distances.items()},
            "errors": [
                {
                    "row": int(table.rows[i]),
                    "file": str(table.path),
                    "text": texts[i],
                    "label": f"{wanted[i]:g}",
                    "predicted": f"{found[i]:.3g}",
                    "probability": None,
                }
                for i in worst.tolist()
            ],
            "baselines": [asdict(rival) for rival in rivals],
        }

    def answer(self, model: Regressor, table: Table, columns: Columns) -> list[float]:
        """A number a row."""
        return model.predict(*sides(table, columns))

    def each(self, model: Regressor, table: Table, columns: Columns) -> RowScores:
        """Minus the distance of each number from the right one."""
        assert columns.answer is not None, "what is compared has numbers"
        said = np.asarray(self.answer(model, table, columns))
        right = np.asarray(numbers_of(table, columns.answer))
        spread = float(np.abs(right - np.median(right)).mean())
        apart = -np.abs(said - right)
        return RowScores("-mae", apart.tolist(), range(len(table)), spread or 1.0)

    def describe(self, model: Regressor, columns: Columns) -> Block:
        """Columns."""
        return {"text": columns.text, "label": columns.answer}


def numbers_of(table: Table, column: str) -> list[float]:
    """A column's values as numbers.

    Raises:
        DataError: One is missing, or is no number.
    """
    found: list[float] = []
    for row, value in zip(table.rows, table.texts(column), strict=True):
        try:
            number = float(value or "")
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise DataError(
                "{file}, row {row}, column {column}: {value!r} is no number; correct it, or leave "
                "the row out.",
                file=table.path,
                row=int(row),
                column=column,
                value=value or "",
            )
        found.append(number)
    return found
