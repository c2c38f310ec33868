"""Multi-label classification: any number of labels for each text, none included."""

import math
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from mason.compression import READING
from mason.data.columns import Columns, find_several_labels
from mason.data.label_sets import label_names, label_sets
from mason.data.tables import Table
from mason.errors import CheckpointError, DataError
from mason.evaluation.multilabel import judge_sets, set_baselines
from mason.language import say
from mason.metrics.multilabel import best_threshold
from mason.settings import DataSettings
from mason.tasks.classification import HEAD, OUTPUT, predict_logits
from mason.tasks.multilabel import Examples, MultiLabelObjective, probe
from mason.training.loop import Scores
from mason.training.recipe import Recipe
from mason.workflows.labeller import Labelled, Labeller
from mason.workflows.opening import Chosen, facts_error, open_model
from mason.workflows.preparing import Prepared, texts_of
from mason.workflows.tasks.readers import ReaderTask, fit_if_fresh, reads_pairs, sides
from mason.workflows.tasks.task import Block, RowScores, Task

_NONE = "∅"


class MultiLabel(ReaderTask[Labeller, Examples]):
    """Any number of labels for each text."""

    name = "multilabel"
    ladder = READING
    unused = tuple(name for name in Task.unused if name != "data.separator")

    def columns(
        self, tables: Mapping[str, Table], settings: DataSettings, *, complete: bool = True
    ) -> Columns:
        """Text, pair, group, and where the labels are."""
        return find_several_labels(
            next(iter(tables.values())),
            text=settings.text,
            label=settings.label,
            pair=settings.pair,
            group=settings.group,
            separator=settings.separator,
            need_labels=complete,
        )

    def reads(self, columns: Columns) -> str:
        """How the labels are read."""
        if columns.answers:
            return say("Labels are the columns {names}.", names=", ".join(columns.answers))
        if columns.separator is None:
            return say("Labels are the lists in {column}.", column=columns.answer)
        return say(
            "Labels stand in {column}, parted by {separator}.",
            column=columns.answer,
            separator=columns.separator,
        )

    def check(self, table: Table, columns: Columns) -> None:
        """Labels are there to be read; a row without any is a row like others."""
        if columns.answer or columns.answers:
            label_sets(table, columns)

    def load(self, path: Path, chosen: Chosen) -> Labeller:
        """The model in a folder, or any with the labels named."""
        opened = open_model(path, chosen, heads=(HEAD,))
        if chosen.labels is None and OUTPUT in opened.fresh:
            raise CheckpointError(
                "{source} has not been trained to give labels; train it first with mason train "
                "--task multilabel.",
                source=chosen.source,
            )
        facts = {} if chosen.labels is not None else opened.facts()
        threshold = facts.get("threshold", 0.5)
        if type(threshold) not in (int, float) or not math.isfinite(threshold):
            raise facts_error(opened.folder)
        pairs = reads_pairs(opened, told=chosen.labels is None)
        return opened.become(Labeller, threshold=float(threshold), pairs=pairs)

    def start(self, path: Path, chosen: Chosen, prepared: Prepared) -> Labeller:
        """The model with the labels of the data."""
        sets = [s for t in prepared.tables.values() for s in label_sets(t, prepared.columns)]
        names = label_names(sets, prepared.columns)
        if not names or not any(sets):
            raise DataError(
                "{file} has no label in any of its rows, so there is nothing to learn.",
                file=prepared.file,
            )
        return self.load(path, replace(chosen, labels=names))

    def restrict(self, model: Labeller, prepared: Prepared) -> Prepared:
        """The data, if the model knows their labels."""
        sets = (s for t in prepared.tables.values() for s in label_sets(t, prepared.columns))
        unknown = sorted({label for labels in sets for label in labels} - set(model.labels))
        if unknown:
            raise DataError(
                "{file}: the label {label!r} is not one of the model's labels ({labels}); "
                "correct it, or train a model on these data.",
                file=prepared.file,
                label=unknown[0],
                labels=", ".join(model.labels),
            )
        return prepared

    def examples(self, model: Labeller, table: Table, columns: Columns) -> Examples:
        """Tokens and the numbers of the labels."""
        numbers = {label: i for i, label in enumerate(model.labels)}
        targets = [
            sorted(numbers[label] for label in labels) for labels in label_sets(table, columns)
        ]
        return Examples(model.encode(*sides(table, columns)), len(model.labels), targets)

    def objective(self, train: Examples, recipe: Recipe) -> MultiLabelObjective:
        """Binary cross-entropy of each label."""
        return MultiLabelObjective(train)

    def validate(self, model: Labeller, held: Examples) -> Scores:
        """Loss, and macro F1 at 0.5."""
        from sklearn.metrics import f1_score

        logits, wanted = predict_logits(model.network, held.texts), held.table
        loss = F.binary_cross_entropy_with_logits(
            torch.from_numpy(logits), torch.from_numpy(wanted)
        )
        macro = f1_score(wanted > 0, logits > 0, average="macro", zero_division=0)
        return {"valid_loss": loss.item(), "valid_macro_f1": float(macro)}

    def before_training(self, model: Labeller, train: Examples, recipe: Recipe) -> None:
        """Fit a fresh output to the features as they are."""
        fit_if_fresh(probe, model, train, recipe)

    def chance_loss(self, model: Labeller, train: Examples) -> float:
        """Of each label drawn as often as it stands."""
        rates = train.table.mean(0).clip(1e-6, 1 - 1e-6)
        return float(-(rates * np.log(rates) + (1 - rates) * np.log(1 - rates)).mean())

    def after_training(self, model: Labeller, held: Examples) -> None:
        """Fit the threshold."""
        from scipy.special import expit

        likely = expit(predict_logits(model.network, held.texts).astype(np.float64))
        model.threshold = best_threshold(held.table > 0, likely)

    def measure(self, model: Labeller, prepared: Prepared, split: str, examples: Examples) -> Block:
        """Scores and the worst rows, beside two simpler ways."""
        from scipy.special import expit

        tables, columns = prepared.tables, prepared.columns
        table, wanted = tables[split], examples.table
        likely = expit(predict_logits(model.network, examples.texts).astype(np.float64))
        judged, texts = judge_sets(wanted, likely, model.threshold), texts_of(table, columns.text)
        rivals = []
        if "train" in tables:
            train = tables["train"]
            known = self.examples(model, train, columns).table
            rivals = set_baselines(texts_of(train, columns.text), known, texts, wanted)
        told, labels = judged.scores, np.array(model.labels)
        return {
            "split": split,
            "rows": told.rows,
            "confidence": told.confidence,
            "scores": {name: asdict(score) for name, score in told.overall.items()},
            "per_class": [
                {"label": label, **asdict(row)}
                for label, row in zip(model.labels, told.per_class, strict=True)
            ],
            "errors": [
                {
                    "row": int(table.rows[i]),
                    "file": str(table.path),
                    "text": texts[i],
                    "label": "; ".join(labels[wanted[i] > 0]) or _NONE,
                    "predicted": "; ".join(labels[judged.predictions[i]]) or _NONE,
                    "probability": None,
                }
                for i in judged.mistakes
            ],
            "baselines": [asdict(rival) for rival in rivals],
        }

    def answer(self, model: Labeller, table: Table, columns: Columns) -> list[Labelled]:
        """The labels of each row."""
        return model.predict(*sides(table, columns))

    def each(self, model: Labeller, table: Table, columns: Columns) -> RowScores:
        """F1 of the labels of each row; 1 where it has none and gets none."""
        said = [set(answer.labels) for answer in self.answer(model, table, columns)]
        pairs = list(zip(said, map(set, label_sets(table, columns)), strict=True))
        scores = [2 * len(a & b) / (len(a) + len(b)) if a or b else 1.0 for a, b in pairs]
        return RowScores("row_f1", scores, range(len(table)))

    def describe(self, model: Labeller, columns: Columns) -> Block:
        """Columns and labels."""
        label = columns.answer or ", ".join(columns.answers)
        return {"text": columns.text, "label": label, "labels": list(model.labels)}
