"""Embedding: texts as vectors, learned from texts that belong together."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np
import torch

from mason.compression import READING
from mason.data.columns import Columns
from mason.data.similar import find_similar
from mason.data.tables import Table
from mason.evaluation.baselines import Baseline
from mason.evaluation.retrieval import likeness_baselines, retrieval_baselines
from mason.language import say
from mason.metrics.classification import Estimate
from mason.metrics.regression import regression_scores
from mason.metrics.retrieval import ranks_of, retrieval_scores
from mason.models.checkpoints import base_heads
from mason.models.files.pooling import read_pooling
from mason.models.transformer import Transformer
from mason.settings import EMBEDDING_ONLY, PRIVACY, DataSettings, Settings
from mason.tasks.embedding import (
    EmbeddingObjective,
    Examples,
    Reading,
    predict_vectors,
    read_costliest,
)
from mason.training.loop import Scores
from mason.training.recipe import Recipe
from mason.workflows.embedder import Embedder, Vectors
from mason.workflows.needs import Held
from mason.workflows.opening import Chosen, open_model
from mason.workflows.preparing import Prepared, texts_of
from mason.workflows.tasks.regression import numbers_of
from mason.workflows.tasks.task import Block, RowScores, Task

BATCH = 64
"""Pairs that compete where nobody says; so many also when a loss is validated."""
_WORST = 20
_OF_CLASSES = (
    "training.mixout",
    "training.probe_rows",
    "training.head_learning_rate",
    "training.label_smoothing",
)


class Embedding(Task[Embedder, Examples]):
    """Vectors of texts, near where texts belong together."""

    name = "embedding"
    explained = False
    ladder = READING
    unused = (*(name for name in Task.unused if name not in EMBEDDING_ONLY), *_OF_CLASSES, *PRIVACY)

    def columns(
        self, tables: Mapping[str, Table], settings: DataSettings, *, complete: bool = True
    ) -> Columns:
        """Two texts, and perhaps one unlike the first, or how alike the two are."""
        return find_similar(
            next(iter(tables.values())),
            text=settings.text,
            pair=settings.pair,
            negative=settings.negative,
            score=settings.label,
            group=settings.group,
        )

    def reads(self, columns: Columns) -> str:
        """What is learned from."""
        named = {"text": columns.text, "pair": columns.pair}
        if columns.answer:
            return say(
                "{text} and {pair} shall be as alike as {score} says.",
                **named,
                score=columns.answer,
            )
        if columns.negative:
            return say(
                "{text} shall find {pair}, not {negative} nor the pairs of other rows.",
                **named,
                negative=columns.negative,
            )
        return say("{text} shall find {pair} among those of other rows.", **named)

    def load(self, path: Path, chosen: Chosen) -> Embedder:
        """Any model; how its rows become vectors stands beside it, else their mean does."""
        folder = path if path.is_dir() else path.parent
        told = read_pooling(folder)
        if told is not None and told.max_tokens and chosen.max_tokens is None:
            chosen = replace(chosen, max_tokens=told.max_tokens)
        opened = open_model(path, chosen, heads=base_heads(path))
        how = Reading() if told is None else Reading(told.pooling, told.normalise)
        return opened.become(Embedder, how=how)

    def examples(self, model: Embedder, table: Table, columns: Columns) -> Examples:
        """Tokens of each side, and scores from 0 to 1."""
        names = filter(None, (columns.text, columns.pair, columns.negative))
        sides = tuple(model.encode(texts_of(table, name)) for name in names)
        if columns.answer is None:
            return Examples(sides, model.how)
        scores = np.array(numbers_of(table, columns.answer))
        if scores.min() < 0 or scores.max() > 1:
            scores = (scores - scores.min()) / max(float(np.ptp(scores)), 1e-12)
        return Examples(sides, model.how, scores.tolist())

    def num_tokens(
        self, model: Embedder, table: Table, columns: Columns, examples: Examples
    ) -> list[int]:
        """Tokens of each text before it is cut."""
        names = filter(None, (columns.text, columns.pair, columns.negative))
        encoded = (model.tokenizer.encode_ids(texts_of(table, name)) for name in names)
        return [len(ids) for side in encoded for ids in side]

    def recipe(self, settings: Settings, network: Transformer, train: Examples) -> Recipe:
        """As for any fine-tuning, but many pairs compete and nothing is smoothed."""
        usual = super().recipe(settings, network, train)
        batch = settings.training.batch_size or BATCH
        size = batch * (settings.training.accumulation or 1)
        return replace(usual, batch_size=size, probe_rows=0, label_smoothing=0.0)

    def objective(self, train: Examples, recipe: Recipe) -> EmbeddingObjective:
        """Pairs that compete, or cosines that are given."""
        return EmbeddingObjective(train, temperature=recipe.temperature)

    def held(self, held: Examples) -> Held:
        """Every text once."""
        return Held(sum(held.lengths), partial(read_costliest, examples=held))

    def validate(self, model: Embedder, held: Examples) -> Scores:
        """The mean loss, in batches of the usual size and at the usual temperature."""
        objective = EmbeddingObjective(held, temperature=Recipe.temperature)
        vectors = torch.from_numpy(np.stack(_vectors(model, held)))
        total = 0.0
        for start in range(0, len(held), BATCH):
            run = range(start, min(start + BATCH, len(held)))
            total += float(objective.losses(vectors[:, start : run.stop], run).sum())
        return {"valid_loss": total / len(held)}

    def used_tokens(self, train: Examples) -> Iterable[int]:
        """Those of the texts: the table is read, and is no output matrix."""
        return chain(*train.tokens)

    def chance_loss(self, model: Embedder, train: Examples) -> float | None:
        """Of one among all that compete; of given cosines, not known."""
        competing = min(BATCH, len(train)) * (len(train.sides) - 1)
        return None if train.scores is not None else math.log(max(2, competing))

    def measure(self, model: Embedder, prepared: Prepared, split: str, examples: Examples) -> Block:
        """How well each text finds its own among all of the split, or the order of likenesses."""
        table, columns = prepared.tables[split], prepared.columns
        assert columns.pair is not None, "texts belong to others"
        firsts, seconds = texts_of(table, columns.text), texts_of(table, columns.pair)
        vectors = [_unit(side) for side in _vectors(model, examples)]
        if examples.scores is None:
            scores, rivals, mistakes = _found(vectors, firsts, seconds)
        else:
            scores, rivals, mistakes = _alike(vectors, firsts, seconds, examples.scores)
        return {
            "split": split,
            "rows": len(table),
            "confidence": 0.95,
            "scores": {name: asdict(score) for name, score in scores.items()},
            "errors": [
                {"row": int(table.rows[i]), "file": str(table.path), "probability": None, **told}
                for i, told in mistakes
            ],
            "baselines": [asdict(rival) for rival in rivals],
        }

    def answer(self, model: Embedder, table: Table, columns: Columns) -> list[Vectors]:
        """A vector a row."""
        return list(model.predict(texts_of(table, columns.text)))

    def each(self, model: Embedder, table: Table, columns: Columns) -> RowScores:
        """1 over the place at which each text finds its own; or how near cosines are to scores."""
        examples = self.examples(model, table, columns)
        vectors = [_unit(side) for side in _vectors(model, examples)]
        if examples.scores is None:
            assert columns.pair is not None, "texts belong to others"
            ranks = _ranks(vectors, texts_of(table, columns.pair))[0]
            return RowScores("mrr", (1 / ranks).tolist(), range(len(table)))
        right = np.array(examples.scores)
        apart = -np.abs((vectors[0] * vectors[1]).sum(1) - right)
        spread = float(np.abs(right - np.median(right)).mean())
        return RowScores("-mae", apart.tolist(), range(len(table)), spread or 1.0)

    def given(self, table: Table, columns: Columns) -> list[tuple[str, ...]]:
        """Each first text."""
        return [(text,) for text in texts_of(table, columns.text)]

    def describe(self, model: Embedder, columns: Columns) -> Block:
        """Columns."""
        return {"text": columns.text, "label": columns.answer or columns.pair}


def _vectors(model: Embedder, examples: Examples) -> list[Vectors]:
    """Of each side."""
    return [predict_vectors(model.network, side, examples.how) for side in examples.sides]


def _unit(vectors: Vectors) -> Vectors:
    unit: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True).clip(1e-12)
    return unit


Judged = tuple[dict[str, Estimate], list[Baseline], list[tuple[int, Block]]]
"""Scores, what something simpler scores, and the worst rows."""


def _found(vectors: Sequence[Vectors], firsts: list[str], seconds: list[str]) -> Judged:
    """Whether each text finds its own among all second ones."""
    ranks, right, known = _ranks(vectors, seconds)
    documents = list(dict.fromkeys(seconds))
    worst = [int(i) for i in np.argsort(-ranks)[:_WORST] if ranks[i] > 1]
    mistakes = [
        (
            i,
            {
                "text": f"{firsts[i]} ({say('place {rank}', rank=int(ranks[i]))})",
                "label": seconds[i],
                "predicted": documents[int((known @ vectors[0][i]).argmax())],
            },
        )
        for i in worst
    ]
    rivals = retrieval_baselines(firsts, documents, right)
    return retrieval_scores(ranks).overall, rivals, mistakes


def _ranks(
    vectors: Sequence[Vectors], seconds: list[str]
) -> tuple[np.ndarray, np.ndarray, Vectors]:
    """Places at which first texts find their own, its number, and the vectors of all of them."""
    documents = list(dict.fromkeys(seconds))
    numbers = {text: i for i, text in enumerate(documents)}
    right = np.array([numbers[text] for text in seconds])
    known = vectors[1][_firsts(right, len(documents))]
    return ranks_of(vectors[0], known, right), right, known


def _alike(
    vectors: Sequence[Vectors], firsts: list[str], seconds: list[str], scores: Sequence[float]
) -> Judged:
    """Whether cosines put pairs in the order of their scores."""
    wanted, likeness = np.array(scores), (vectors[0] * vectors[1]).sum(1)
    overall = regression_scores(wanted, likeness).overall
    kept = {name: overall[name] for name in ("spearman", "pearson")}
    mistakes = [
        (
            int(i),
            {
                "text": f"{firsts[i]} · {seconds[i]}",
                "label": f"{wanted[i]:.3g}",
                "predicted": f"{likeness[i]:.3g}",
            },
        )
        for i in np.argsort(-np.abs(likeness - wanted))[:_WORST]
    ]
    return kept, likeness_baselines(firsts, seconds, scores), mistakes


def _firsts(numbers: np.ndarray, num: int) -> list[int]:
    """The first place of each number."""
    places = dict(zip(reversed(numbers.tolist()), range(len(numbers) - 1, -1, -1), strict=True))
    return [places[n] for n in range(num)]
