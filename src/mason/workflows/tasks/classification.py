"""Classification: one label for each text, or each pair of texts."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from mason.compression import READING
from mason.data.columns import Columns
from mason.data.tables import Table
from mason.data.token_cache import TokenCache, fingerprint
from mason.errors import CheckpointError, DataError, SettingsError
from mason.evaluation import baselines, judge
from mason.evaluation.baselines import word_probabilities
from mason.explanation import is_skilled
from mason.metrics import fit_temperature, out_of_fold, scores, suspects
from mason.models.transformer import has_dropout
from mason.security.masking import Vote
from mason.security.swaps import Swaps
from mason.settings import CLASSIFICATION_ONLY, DataSettings, Settings
from mason.sources import cache_folder
from mason.tasks.classification import (
    HEAD,
    ClassificationObjective,
    Examples,
    predict_logits,
    probe,
    read_costliest,
    token_table,
)
from mason.training.loop import Scores
from mason.training.recipe import Recipe
from mason.workflows import results as blocks
from mason.workflows.classifier import Classifier, Prediction
from mason.workflows.model import FACTS_FILE
from mason.workflows.needs import Held
from mason.workflows.opening import Chosen, Opened, facts_error, open_model
from mason.workflows.preparing import Prepared, columns_of, texts_of
from mason.workflows.tasks.readers import fit_if_fresh
from mason.workflows.tasks.task import Block, RowScores, Task

_DOUBTED, _SHOWN = 2000, 20
"""Training rows whose labels are doubted, and how many of the doubtful a report lists."""


class Classification(Task[Classifier, Examples]):
    """One label for each text, or each pair of texts."""

    name = "classification"
    ladder = READING
    unused = tuple(name for name in Task.unused if name not in CLASSIFICATION_ONLY)

    def columns(
        self, tables: Mapping[str, Table], settings: DataSettings, *, complete: bool = True
    ) -> Columns:
        """Text, label, the second text of a pair, group."""
        return columns_of(tables, settings, need_label=complete)

    def load(self, path: Path, chosen: Chosen) -> Classifier:
        """The classifier in a folder, or any encoder or decoder with the labels named."""
        opened = open_model(path, chosen, heads=(HEAD,))
        asked = chosen.labels is not None
        if asked and len(set(opened.network.spec.labels)) < 2:
            raise SettingsError(
                "A classifier needs at least two different labels, but these are {labels}.",
                labels=list(opened.network.spec.labels),
            )
        if not asked and any(name.startswith(f"heads.{HEAD}.output") for name in opened.fresh):
            raise CheckpointError(
                "{source} has not been trained to classify, so it has no labels; "
                "train it first with mason train, or name the labels.",
                source=chosen.source,
            )
        temperature, pairs = (1.0, None) if asked else _facts(opened)
        vote = None if asked else _vote(opened)
        return opened.become(Classifier, temperature=temperature, pairs=pairs, vote=vote)

    def start(self, path: Path, chosen: Chosen, prepared: Prepared) -> Classifier:
        """The model with the labels of the data."""
        return self.load(path, replace(chosen, labels=prepared.labels))

    def restrict(self, model: Classifier, prepared: Prepared) -> Prepared:
        """The data with the model's labels."""
        unknown = [label for label in prepared.labels if label not in model.labels]
        if unknown:
            raise DataError(
                "{file}: the label {label!r} is not one of the model's labels ({labels}); "
                "correct it, or train a model on these data.",
                file=prepared.file,
                label=unknown[0],
                labels=", ".join(model.labels),
            )
        return replace(prepared, labels=tuple(model.labels))

    def heed(self, model: Classifier, settings: Settings) -> None:
        """Refuse what its second reading of a text cannot give."""
        if settings.training.word_swaps and model.network.spec.topology == "encoder-decoder":
            raise SettingsError(
                "training.word-swaps is for encoders and decoders, and this model is both; leave "
                "it out."
            )
        if settings.training.word_swaps and settings.training.compile:
            raise SettingsError(
                "training.word-swaps goes back through a step twice, which training.compile does "
                "not allow; leave one of them out."
            )
        if settings.training.r_drop and not has_dropout(model.network):
            raise SettingsError(
                "training.r-drop compares two passes under different dropout, and this model drops "
                "nothing; add --training.dropout 0.1."
            )

    def adopt(self, model: Classifier, prepared: Prepared) -> None:
        """Remember whether it reads pairs."""
        model.pairs = prepared.columns.pair is not None

    def examples(self, model: Classifier, table: Table, columns: Columns) -> Examples:
        """Tokens and class numbers; the tokens of single texts come from the cache."""
        texts = texts_of(table, columns.text)
        targets = targets_of(table, columns, model.labels)
        if columns.pair:
            seconds = texts_of(table, columns.pair)
            return replace(model.encode(texts, seconds), targets=targets)
        tokens = TokenCache(cache_folder() / "tokens").get(
            texts,
            fingerprint=fingerprint(model.tokenizer.fingerprint, max_length=model.max_tokens),
            build=lambda part: [list(ids) for ids in model.encode(part).tokens],
        )
        return Examples([ids.tolist() for ids in tokens], None, targets)

    def num_tokens(
        self, model: Classifier, table: Table, columns: Columns, examples: Examples
    ) -> list[int]:
        """Tokens of each row before it is cut; only those at the limit are counted again."""
        lengths = examples.lengths
        full = [i for i, length in enumerate(lengths) if length == model.max_tokens]
        if full:
            rows = table.take(full)
            seconds = texts_of(rows, columns.pair) if columns.pair else None
            counts = model.num_tokens(texts_of(rows, columns.text), seconds)
            lengths = list(lengths)
            for i, count in zip(full, counts, strict=True):
                lengths[i] = count
        return lengths

    def objective(self, train: Examples, recipe: Recipe) -> ClassificationObjective:
        """Cross-entropy of the right label."""
        return ClassificationObjective(
            train,
            label_smoothing=recipe.label_smoothing,
            r_drop=recipe.r_drop,
            word_swaps=recipe.word_swaps,
        )

    def equip(self, objective: ClassificationObjective, model: Classifier, recipe: Recipe) -> None:
        """Words of like use, by the model's own vectors."""
        if recipe.word_swaps:
            objective.swap = Swaps(model.tokenizer, token_table(model.network))

    def held(self, held: Examples) -> Held:
        """Every text once."""
        return Held(sum(held.lengths), partial(read_costliest, examples=held))

    def validate(self, model: Classifier, held: Examples) -> Scores:
        """Loss, accuracy and macro F1."""
        return _validation_scores(predict_logits(model.network, held), held, len(model.labels))

    def before_training(self, model: Classifier, train: Examples, recipe: Recipe) -> None:
        """Fit a fresh head to the features as they are."""
        fit_if_fresh(probe, model, train, recipe)

    def used_tokens(self, train: Examples) -> Iterable[int]:
        """Those of the texts: the table is read, and is no output matrix."""
        return chain(*train.tokens)

    def chance_loss(self, model: Classifier, train: Examples) -> float:
        """Of a label drawn at random."""
        return math.log(len(model.labels))

    def after_training(self, model: Classifier, held: Examples) -> None:
        """Fit the temperature."""
        targets = np.asarray(held.targets)
        model.temperature = fit_temperature(predict_logits(model.network, held), targets)

    def measure(
        self, model: Classifier, prepared: Prepared, split: str, examples: Examples
    ) -> Block:
        """Scores, calibration and the worst mistakes, beside two simpler classifiers."""
        targets, tables, columns = np.asarray(examples.targets), prepared.tables, prepared.columns
        logits, temperature = predict_logits(model.network, examples), model.temperature
        if model.vote is not None:
            shares = model.probabilities(texts_of(tables[split], columns.text))
            logits = np.log(np.maximum(shares, 1 / (2 * model.vote.copies)), dtype=np.float32)
            temperature = 1.0  # votes are told as they are
        judgement = judge(logits, targets, temperature=temperature)
        rivals = []
        if "train" in tables:
            rivals = baselines(
                texts_of(tables["train"], columns.text),
                targets_of(tables["train"], columns, model.labels),
                texts_of(tables[split], columns.text),
                targets.tolist(),
                len(model.labels),
            )
        return blocks.evaluation_block(
            judgement,
            tables[split],
            columns,
            model.labels,
            split=split,
            lengths=examples.lengths,
            rivals=rivals,
        )

    def label_errors(self, prepared: Prepared, seed: int) -> Block:
        """Training rows that word counts, not having seen them, read otherwise."""
        table, columns, labels = prepared.tables["train"], prepared.columns, prepared.labels
        order = np.random.default_rng(seed).permutation(len(table))
        table = table.take(sorted(order[:_DOUBTED].tolist()))
        texts, targets = texts_of(table, columns.text), targets_of(table, columns, labels)
        found = suspects(targets, out_of_fold(word_probabilities, texts, targets, len(labels)))
        rows = [
            {
                "row": int(table.rows[one.row]),
                "text": texts[one.row],
                "label": labels[one.target],
                "likelier": labels[one.likelier],
                "probability": one.probability,
            }
            for one in found[:_SHOWN]
        ]
        return {"looked_at": len(table), "count": len(found), "rows": rows}

    def answer(self, model: Classifier, table: Table, columns: Columns) -> list[Prediction]:
        """A label a row."""
        seconds = texts_of(table, columns.pair) if columns.pair else None
        return model.predict(texts_of(table, columns.text), seconds)

    def each(self, model: Classifier, table: Table, columns: Columns) -> RowScores:
        """1 for each right label."""
        assert columns.label is not None, "what is compared has labels"
        said = [answer.label for answer in self.answer(model, table, columns)]
        right = [a == str(b) for a, b in zip(said, table.texts(columns.label), strict=True)]
        return RowScores("accuracy", [float(value) for value in right], range(len(table)))

    def skilled(self, model: Classifier, table: Table, columns: Columns) -> bool | None:
        """By the rows' labels, beside the commonest of them."""
        if columns.label is None or not len(table):
            return None
        labels = [str(label) for label in table.texts(columns.label)]
        commonest = max(sorted(set(labels)), key=labels.count)
        right = self.each(model, table, columns).values
        return is_skilled(right, [label == commonest for label in labels])

    def describe(self, model: Classifier, columns: Columns) -> Block:
        """Columns and labels."""
        return {"text": columns.text, "label": columns.label, "labels": list(model.labels)}


def targets_of(table: Table, columns: Columns, labels: Sequence[str]) -> list[int]:
    """Class numbers of a table's labels."""
    assert columns.label is not None, "targets come from labels"
    numbers = {label: i for i, label in enumerate(labels)}
    return [numbers[str(label)] for label in table.texts(columns.label)]


def _facts(opened: Opened) -> tuple[float, bool | None]:
    """Temperature, and whether it reads pairs, as ``Classifier.facts`` wrote them."""
    told = opened.facts()
    calibration, pairs = told.get("calibration", {}), told.get("pairs")
    if isinstance(calibration, dict) and isinstance(pairs, bool | None):
        temperature: Any = calibration.get("temperature", 1.0)
        if type(temperature) in (int, float) and 0 < temperature < math.inf:
            return float(temperature), pairs
    raise CheckpointError(
        "{file}: its calibration is no temperature above 0, or pairs is neither true nor false; "
        "fetch the model again.",
        file=opened.folder / FACTS_FILE,
    )


def _vote(opened: Opened) -> Vote | None:
    """How copies vote, as ``Classifier.facts`` wrote it."""
    told = opened.facts().get("vote")
    if told is None:
        return None
    kept, copies = (told.get(k) for k in ("kept", "copies")) if isinstance(told, dict) else (0, 0)
    if type(kept) is float and 0 < kept <= 1 and type(copies) is int and copies > 0:
        return Vote(kept, copies)
    raise facts_error(opened.folder)


def _validation_scores(logits: np.ndarray, held: Examples, num_classes: int) -> Scores:
    targets = np.asarray(held.targets)
    loss = F.cross_entropy(torch.from_numpy(logits), torch.from_numpy(targets)).item()
    told = scores(targets, logits.argmax(1), num_classes, num_resamples=1).overall
    return {
        "valid_loss": loss,
        "valid_accuracy": told["accuracy"].value,
        "valid_macro_f1": told["macro_f1"].value,
    }
