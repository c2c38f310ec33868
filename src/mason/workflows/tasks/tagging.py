"""Tagging: one label for each word."""

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
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
from mason.data.tagged import Sentence, find_tagged_columns, sentences_of
from mason.errors import CheckpointError, DataError
from mason.evaluation.tagging import judge_tags, named, tag_baselines
from mason.metrics import fit_temperature
from mason.settings import PRIVACY, DataSettings
from mason.tasks.tagging import (
    HEAD,
    OUTPUT,
    Examples,
    TaggingObjective,
    predict_logits,
    read_costliest,
    spelled,
)
from mason.text.splitting import Unit
from mason.training.loop import Scores
from mason.training.recipe import Recipe
from mason.workflows.needs import Held
from mason.workflows.opening import Chosen, facts_error, open_model
from mason.workflows.preparing import Prepared
from mason.workflows.tagger import Tagger
from mason.workflows.tasks.task import Block, RowScores, Task


class Tagging(Task[Tagger, Examples]):
    """One label for each word."""

    name = "tagging"
    cuts = False  # long sentences are read in windows
    ladder = READING
    unused = (*Task.unused, *PRIVACY)  # a row may be several windows, and the unit is a window

    def columns(
        self, tables: Mapping[str, Table], settings: DataSettings, *, complete: bool = True
    ) -> Columns:
        """Words, tags, group."""
        first = next(iter(tables.values()))
        found = find_tagged_columns(
            first, words=settings.text, tags=settings.label, need_tags=complete
        )
        return replace(found, group=settings.group)

    def check(self, table: Table, columns: Columns) -> None:
        """Words and tags are as many."""
        sentences_of(table, columns)

    def load(self, path: Path, chosen: Chosen) -> Tagger:
        """The tagger in a folder, or any model with the labels named."""
        opened = open_model(path, chosen, heads=(HEAD,))
        if chosen.labels is None and OUTPUT in opened.fresh:
            raise CheckpointError(
                "{source} has not been trained to tag words, so it has no tags; train it first "
                "with mason train --task tagging.",
                source=chosen.source,
            )
        facts: dict[str, Any] = {} if chosen.labels is not None else opened.facts()
        told = facts.get("calibration", {})
        temperature: Any = told.get("temperature", 1.0) if isinstance(told, dict) else None
        unit: Any = facts.get("unit", "word")
        if type(temperature) not in (int, float) or not 0 < temperature < math.inf:
            raise facts_error(opened.folder)
        if unit not in ("word", "character"):
            raise facts_error(opened.folder)
        return opened.become(Tagger, temperature=float(temperature), unit=unit)

    def start(self, path: Path, chosen: Chosen, prepared: Prepared) -> Tagger:
        """The model with the tags of the data."""
        tags = {
            tag
            for table in prepared.tables.values()
            for sentence in sentences_of(table, prepared.columns)
            for tag in sentence.tags or ()
        }
        if len(tags) < 2:
            raise DataError(
                "{file} has only the tag {tags}; there is nothing to tell apart.",
                file=prepared.file,
                tags=", ".join(tags),
            )
        return self.load(path, replace(chosen, labels=tuple(sorted(tags))))

    def adopt(self, model: Tagger, prepared: Prepared) -> None:
        """Remember what a word of Chinese is."""
        model.unit = _unit(sentences_of(prepared.tables["train"], prepared.columns))

    def examples(self, model: Tagger, table: Table, columns: Columns) -> Examples:
        """Pieces, and a target at the piece of each word whose tag the model knows."""
        sentences = sentences_of(table, columns)
        numbers = {tag: i for i, tag in enumerate(model.labels)}
        targets = None
        if columns.answer:
            targets = [[numbers.get(tag, -1) for tag in s.tags or ()] for s in sentences]
        return model.encode([s.words for s in sentences], targets)

    def num_tokens(
        self, model: Tagger, table: Table, columns: Columns, examples: Examples
    ) -> list[int]:
        """Tokens of each window, for nothing is cut."""
        return examples.lengths

    def objective(self, train: Examples, recipe: Recipe) -> TaggingObjective:
        """Cross-entropy of the right tag of each word."""
        return TaggingObjective(train, label_smoothing=recipe.label_smoothing)

    def held(self, held: Examples) -> Held:
        """Every window once."""
        return Held(sum(held.lengths), partial(read_costliest, examples=held))

    def validate(self, model: Tagger, held: Examples) -> Scores:
        """Loss and accuracy of words."""
        logits, targets = _learned(model, held)
        loss = F.cross_entropy(torch.from_numpy(logits), torch.from_numpy(targets)).item()
        accuracy = float((logits.argmax(1) == targets).mean())
        return {"valid_loss": loss, "valid_accuracy": accuracy}

    def used_tokens(self, train: Examples) -> Iterable[int]:
        """Those of the sentences: the table is read, and is no output matrix."""
        return chain(*train.tokens)

    def chance_loss(self, model: Tagger, train: Examples) -> float:
        """Of a tag drawn at random."""
        return math.log(len(model.labels))

    def after_training(self, model: Tagger, held: Examples) -> None:
        """Fit the temperature."""
        logits, targets = _learned(model, held)
        model.temperature = fit_temperature(logits, targets)

    def measure(self, model: Tagger, prepared: Prepared, split: str, examples: Examples) -> Block:
        """Scores and the worst mistakes, beside the most frequent tag of each word."""
        tables, columns = prepared.tables, prepared.columns
        words, right = _parted(sentences_of(tables[split], columns))
        judgement = judge_tags(words, right, model.tag(words))
        rivals = []
        if "train" in tables:
            rivals = tag_baselines(*_parted(sentences_of(tables["train"], columns)), words, right)
        told, table = judgement.scores, tables[split]
        scores = named(told)
        if judgement.strict is not None:
            strict = named(judgement.strict)
            scores |= {f"strict_{k}": v for k, v in strict.items() if k.startswith("entity")}
        return {
            "split": split,
            "rows": told.sentences,
            "confidence": told.confidence,
            "scores": {name: asdict(score) for name, score in scores.items()},
            "per_class": [{"label": kind} | asdict(row) for kind, row in told.per_kind.items()],
            "errors": [
                {
                    "row": int(table.rows[mistake.sentence]),
                    "file": str(table.path),
                    "text": mistake.text,
                    "label": mistake.label,
                    "predicted": mistake.predicted,
                    "probability": mistake.probability,
                }
                for mistake in judgement.mistakes
            ],
            "baselines": [asdict(rival) for rival in rivals],
        }

    def answer(
        self, model: Tagger, table: Table, columns: Columns
    ) -> list[list[tuple[str, float]]]:
        """The tags of each row."""
        return model.tag([s.words for s in sentences_of(table, columns)])

    def each(self, model: Tagger, table: Table, columns: Columns) -> RowScores:
        """The share of words of each row with the right tag."""
        words, right = _parted(sentences_of(table, columns))
        shares = [
            sum(tag == wanted for (tag, _), wanted in zip(said, tags, strict=True)) / len(tags)
            for said, tags in zip(model.tag(words), right, strict=True)
        ]
        return RowScores("tag_accuracy", shares, range(len(table)))

    def given(self, table: Table, columns: Columns) -> list[tuple[str, ...]]:
        """Each sentence as running text."""
        return [(spelled(s.words)[0],) for s in sentences_of(table, columns)]

    def describe(self, model: Tagger, columns: Columns) -> Block:
        """Columns and tags."""
        return {"text": columns.text, "label": columns.answer, "labels": list(model.labels)}


def _parted(sentences: Sequence[Sentence]) -> tuple[list[list[str]], list[list[str]]]:
    """Words and tags."""
    return [s.words for s in sentences], [s.tags or [] for s in sentences]


def _learned(model: Tagger, held: Examples) -> tuple[np.ndarray, np.ndarray]:
    """Logits and targets of the words that have one."""
    assert held.targets is not None, "validation needs targets"
    words = np.array(list(chain(*held.words)))
    targets = np.array(list(chain(*held.targets)), dtype=np.int64)
    logits = predict_logits(model.network, held)[words]
    return logits[targets >= 0], targets[targets >= 0]


def _unit(sentences: Sequence[Sentence]) -> Unit:
    """A word, or a character where the words of Chinese are single ones."""
    chinese = [len(w) for s in sentences for w in s.words if "\u4e00" <= w[0] <= "\u9fff"]
    return "character" if chinese and statistics.fmean(chinese) < 1.05 else "word"
