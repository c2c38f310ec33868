"""One combination of steps after another, built from a trained model and measured."""

import copy
import shutil
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mason.compression import (
    Budget,
    Distillation,
    InFewBits,
    Layers,
    Rungs,
    Sparsely,
    Teachable,
    Tried,
    answers_of,
    importance_of,
    judge_drop,
    learning_rounded,
    least_needed_layers,
    masks_of,
    num_heads_of,
    rounded_once,
    with_blank_heads,
    without_heads,
    without_layers,
    without_neurons,
)
from mason.compression.rungs import WIDE, Learned
from mason.compression.verdict import Scores
from mason.errors import SettingsError
from mason.language import say
from mason.metrics.groups import Groups
from mason.models.files import writing_folder
from mason.models.transformer import Transformer
from mason.reports.score_names import figure, score_in_words
from mason.settings import Settings
from mason.tasks.classification import reading_passes
from mason.training.loop import fit
from mason.training.recipe import Recipe
from mason.training.state import Objective
from mason.training.used_rows import training_used_rows
from mason.workflows.measuring import Footprint, as_read, footprint
from mason.workflows.model import Model
from mason.workflows.preparing import Prepared
from mason.workflows.tasks import Examples, Task, task_of
from mason.workflows.vocabulary import trimmed_to

_ASKED, _PASS = 256, 2048
"""Training examples that decide what is needed least, and tokens read at once for it."""
_MEASURED = 500
"""Texts at most that are read to measure speed."""
Say = Callable[[str], None]


@dataclass(frozen=True)
class Built:
    """A combination on the disk: its model's folder, what it needs, what rows are worth."""

    folder: Path
    footprint: Footprint
    scores: Scores


@dataclass
class Shrinker:
    """Builds combinations from one model and keeps what was trained.

    Raises:
        SettingsError: Layers shall be matched, and models of this task learn from data alone.

    Attributes:
        model: The model as it was.
        prepared: Its data: "train" to recover on, "valid" to choose on.
        budget: What a combination is held against.
        epochs: Of recovery.
        settings: Of the run, for the recipe.
        place: An existing folder for what is built.
        notice: Told what is being tried.
        match_layers: Whether a shape's rows are held against those of the original's layers.
        source: The files the model was read from; None: it was in memory alone.
    """

    model: Model
    prepared: Prepared
    budget: Budget
    epochs: float
    settings: Settings
    place: Path
    notice: Say
    match_layers: bool = False
    source: Path | None = None
    trained: dict[Learned, Transformer] = field(default_factory=dict)
    kept: dict[Learned, list[int]] = field(default_factory=dict)
    tried: dict[Rungs, Tried] = field(default_factory=dict)
    groups: dict[str, Groups | None] = field(default_factory=dict)
    """What the rows of each split that was scored belong to."""
    number: int = 0
    score: str = ""
    unit: float = 0.0
    """What a whole point of the score is in its own unit, by the rows that choose."""

    def __post_init__(self) -> None:
        """Ask the original what it says."""
        self.task: Task[Any, Any] = task_of(self.model)
        ladder = self.task.ladder
        assert ladder is not None, "asked before"
        self.ladder = ladder
        stack = self.model.network.spec.input_stack
        heads = num_heads_of(self.model.network.spec)
        self.whole = Rungs(stack.depth, stack.feed_forward.width, heads=heads)
        self.train = self._examples(self.model, "train")
        plain = replace(
            self._recipe(self.model.network), label_smoothing=0.0, r_drop=0.0, word_swaps=0.0
        )
        self.objective: Objective = self.task.objective(self.train, plain)
        self.teacher: list[Tensor] = []
        if isinstance(self.objective, Teachable):
            self.teacher = answers_of(self.model.network, self.objective)
        elif self.match_layers:
            raise SettingsError(
                "--match-layers is for models that learn what the original says; those for {task} "
                "learn from their data alone.",
                task=self.task.name,
            )
        self.trained[self.whole.learned] = self.model.network
        self.kept[self.whole.learned] = list(range(self.whole.layers))
        self.original = built = self._built(self.model, self.whole)
        if self.source is not None:
            needs = as_read(built.footprint, built.folder, self.source)
            self.original = replace(built, footprint=needs)

    def attempt(self, rungs: Rungs, parent: Tried | None = None) -> Tried:
        """Build and measure a combination; once only."""
        if rungs not in self.tried:
            made = self.finished(self.network_of(rungs, parent), rungs)
            built = self._built(made, rungs)
            before, groups = self.original.scores, self.groups["valid"]
            verdict = judge_drop(before, built.scores, self.budget, groups)
            self.tried[rungs] = Tried(
                rungs,
                built.footprint.num_bytes,
                built.footprint.p50,
                float(built.scores.mean()),
                verdict,
                built,
            )
            self._tell(self.tried[rungs])
        return self.tried[rungs]

    def network_of(self, rungs: Rungs, parent: Tried | None) -> Transformer:
        """The trained network of a shape, made from the one it is a smaller shape of."""
        if rungs.learned not in self.trained:
            larger = parent.rungs.learned if parent else self.whole.learned
            self.notice(say("Learning again: {what}.", what=rungs.words(self.whole)))
            network, kept = self.cut(self.trained[larger], self.kept[larger], rungs)
            layers = Layers.of(self.model.network, kept) if self.match_layers else None
            self.trained[rungs.learned] = self.recovered(network, layers, rungs)
            self.kept[rungs.learned] = kept
        return self.trained[rungs.learned]

    def cut(
        self, network: Transformer, kept: Sequence[int], rungs: Rungs
    ) -> tuple[Transformer, list[int]]:
        """A network with what it needs least taken out, and the layers it has of the original."""
        left = list(kept)
        fewer = network.spec.input_stack.depth - rungs.layers
        if fewer:
            missed = least_needed_layers(network, self._loss, fewer)
            stay = [i for i in range(rungs.layers + fewer) if i not in missed]
            network, left = without_layers(network, stay), [left[i] for i in stay]
        neurons = network.spec.input_stack.feed_forward.width > rungs.neurons
        heads = num_heads_of(network.spec) > rungs.heads
        if neurons or heads:
            worth, layers = importance_of(network, self.objective, self._runs), range(rungs.layers)
        if neurons:
            network = without_neurons(network, worth.best_neurons(layers, rungs.neurons))
        if heads:
            network = without_heads(network, worth.best_heads(layers, rungs.heads))
        return network, left

    def recovered(self, network: Transformer, layers: Layers | None, rungs: Rungs) -> Transformer:
        """The network after learning from the original, where its task can be taught so."""
        objective = self.objective
        if isinstance(objective, Teachable):
            objective = Distillation(objective, self.teacher, layers=layers)
        if rungs.sparse or rungs.aware:  # of the same shape: another one's network
            network = copy.deepcopy(network)
        if rungs.sparse:
            masks = masks_of(network, self.objective, self._runs)
            objective = kept = Sparsely(objective, masks)
            kept.hold(network)
        held = self._examples(self.model, "valid")
        student = replace(self.model, network=network)
        with training_used_rows(network, self.task.used_tokens(self.train)):
            few = self.ladder.format.roundings(network, rungs.bits) if rungs.aware else {}
            with learning_rounded(few) if few else nullcontext():
                fit(
                    network,
                    InFewBits(objective) if few else objective,
                    self._recipe(network),
                    evaluate=lambda _: self._validated(student, held),
                )
        if rungs.sparse:
            kept.hold(network)
        return network

    def _validated(self, student: Model, held: Examples) -> dict[str, Any]:
        with rounded_once():
            return self.task.validate(student, held)

    def finished(self, network: Transformer, rungs: Rungs) -> Model:
        """The free steps, and the temperature."""
        tokenizer = self.model.tokenizer
        if rungs.tokens < 1:
            used = set(self.task.used_tokens(self.train) or ())
            # Vocabularies are learned by frequency, so that commoner tokens come first.
            used |= set(range(round(rungs.tokens * tokenizer.num_tokens)))
            network, tokenizer, _ = trimmed_to(network, tokenizer, used)
        if rungs.bits < WIDE:
            texts = self.task.texts(self.train)
            network = self.ladder.format.held(network, rungs.bits, texts)
        elif rungs.heads < self.whole.heads and not self.model.family.tells_head_width:
            network = with_blank_heads(network)
        made = replace(self.model, network=network.eval(), tokenizer=tokenizer, fresh=())
        self.task.after_training(made, self._examples(made, "valid"))
        return made

    def scores(self, model: Model, split: str) -> Scores:
        """What the rows of a split are worth, as shares; see ``RowScores``."""
        told = self.task.each(model, self.prepared.tables[split], self.prepared.columns)
        self.score, self.unit = told.name, self.unit or told.whole
        self.groups[split] = told.groups
        return np.asarray(told.values, np.float64) / self.unit

    def discard(self, tried: Tried) -> None:
        """Take a combination's folder off the disk."""
        shutil.rmtree(tried.made.folder)

    def _built(self, model: Model, rungs: Rungs) -> Built:
        self.number += 1
        folder = self.place / f"{self.number:02}"
        with writing_folder(folder, kind="model") as draft:
            model.write(draft)
        table, columns = self.prepared.tables["valid"], self.prepared.columns
        few = table.take(list(range(min(len(table), _MEASURED))))
        needs = footprint(folder, self.task.given(few, columns))
        return Built(folder, needs, self.scores(model, "valid"))

    def _examples(self, model: Model, split: str) -> Examples:
        found: Examples = self.task.examples(
            model, self.prepared.tables[split], self.prepared.columns
        )
        return found

    def _recipe(self, network: Transformer) -> Recipe:
        recipe = self.task.recipe(self.settings, network, self.train)
        return replace(recipe, epochs=self.epochs, probe_rows=0, evaluations_per_epoch=1)

    @property
    def _runs(self) -> list[list[int]]:
        every = self.objective.lengths
        chosen = np.random.default_rng(self.settings.training.seed).permutation(len(every))
        some = chosen[:_ASKED].tolist()
        lengths = [every[i] for i in some]
        return [[some[i] for i in run] for run in reading_passes(lengths, _PASS)]

    @torch.inference_mode()
    def _loss(self, network: Transformer) -> float:
        return sum(float(self.objective.loss(network, run)) for run in self._runs)

    def told(self, share: float) -> str:
        """A score in words, in its own unit."""
        value = figure(self.score, share * self.unit)
        return f"{score_in_words(self.score)} {value}"

    def _tell(self, tried: Tried) -> None:
        self.notice(
            say(
                "{what}: {size:.1f} MB, {time:.2f} ms a text, {score} ({why}).",
                what=tried.rungs.words(self.whole),
                size=tried.num_bytes / 1e6,
                time=tried.latency,
                score=self.told(tried.score),
                why=tried.verdict.sentence,
            )
        )


def front_of(tried: Sequence[Tried]) -> list[Tried]:
    """Those inside the budget, the smallest first."""
    inside = [one for one in tried if one.verdict.accepted]
    return sorted(inside, key=lambda one: (one.num_bytes, one.latency))
