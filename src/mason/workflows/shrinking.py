"""One combination of steps after another, built from a trained classifier and measured."""

import copy
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch

from mason.compression import (
    Budget,
    Distillation,
    Layers,
    Rungs,
    Sparsely,
    Tried,
    importance_of,
    judge_drop,
    least_needed_layers,
    masks_of,
    without_layers,
    without_neurons,
)
from mason.compression.rungs import WIDE
from mason.compression.verdict import Correct
from mason.language import say
from mason.models.eight_bits import hold_in_eight_bits
from mason.models.files import writing_folder
from mason.models.transformer import Transformer
from mason.settings import Settings
from mason.tasks.classification import (
    ClassificationObjective,
    Examples,
    predict_logits,
    reading_passes,
)
from mason.training.loop import fit
from mason.training.recipe import Recipe
from mason.training.state import Objective
from mason.training.used_rows import training_used_rows
from mason.workflows.classifier import Classifier
from mason.workflows.measuring import Footprint, footprint
from mason.workflows.preparing import Prepared, texts_of
from mason.workflows.tasks.classification import Classification
from mason.workflows.vocabulary import trimmed_to

_ASKED, _PASS = 256, 2048
"""Training examples that decide what is needed least, and tokens read at once for it."""
_MEASURED = 500
"""Texts at most that are read to measure speed."""
Say = Callable[[str], None]


@dataclass(frozen=True)
class Built:
    """A combination on the disk: its model's folder, what it needs, which rows it gets right."""

    folder: Path
    footprint: Footprint
    correct: Correct


@dataclass
class Shrinker:
    """Builds combinations from one classifier and keeps what was trained.

    Attributes:
        model: The classifier as it was.
        prepared: Its data: "train" to recover on, "valid" to choose on.
        budget: What a combination is held against.
        epochs: Of recovery.
        settings: Of the run, for the recipe.
        place: An existing folder for what is built.
        notice: Told what is being tried.
        match_layers: Whether a shape's rows are held against those of the original's layers.
    """

    model: Classifier
    prepared: Prepared
    budget: Budget
    epochs: float
    settings: Settings
    place: Path
    notice: Say
    match_layers: bool = False
    task: Classification = field(default_factory=Classification)
    trained: dict[tuple[int, int, bool], Transformer] = field(default_factory=dict)
    kept: dict[tuple[int, int, bool], list[int]] = field(default_factory=dict)
    tried: dict[Rungs, Tried] = field(default_factory=dict)
    number: int = 0

    def __post_init__(self) -> None:
        """Ask the original what it says."""
        stack = self.model.network.spec.input_stack
        self.whole = Rungs(stack.depth, stack.feed_forward.width)
        self.train = self._examples(self.model, "train")
        self.teacher = torch.from_numpy(predict_logits(self.model.network, self.train))
        self.trained[self.whole.learned] = self.model.network
        self.kept[self.whole.learned] = list(range(self.whole.layers))
        self.original = self._built(self.model, self.whole)

    def attempt(self, rungs: Rungs, parent: Tried | None = None) -> Tried:
        """Build and measure a combination; once only."""
        if rungs not in self.tried:
            made = self.finished(self.network_of(rungs, parent), rungs)
            built = self._built(made, rungs)
            verdict = judge_drop(self.original.correct, built.correct, self.budget)
            self.tried[rungs] = Tried(
                rungs,
                built.footprint.num_bytes,
                built.footprint.p50,
                float(built.correct.mean()),
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
            self.trained[rungs.learned] = self.recovered(network, layers, sparse=rungs.sparse)
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
        if network.spec.input_stack.feed_forward.width > rungs.neurons:
            worth = importance_of(network, self._objective, self._runs)
            best = worth.best_neurons(range(rungs.layers), rungs.neurons)
            network = without_neurons(network, best)
        return network, left

    def recovered(
        self, network: Transformer, layers: Layers | None, *, sparse: bool = False
    ) -> Transformer:
        """The network after learning from the original."""
        objective: Objective = Distillation(self.train, self.teacher, layers=layers)
        if sparse:
            network = copy.deepcopy(network)
            masks = masks_of(network, self._objective, self._runs)
            objective = kept = Sparsely(objective, masks)
        held = self._examples(self.model, "valid")
        student = replace(self.model, network=network)
        recipe = self._recipe(network)
        with training_used_rows(network, self.task.used_tokens(self.train)):
            fit(network, objective, recipe, evaluate=lambda _: self.task.validate(student, held))
        if sparse:
            kept.hold(network)
        return network

    def finished(self, network: Transformer, rungs: Rungs) -> Classifier:
        """The free steps, and the temperature."""
        tokenizer = self.model.tokenizer
        if rungs.tokens < 1:
            used = {token for text in self.train.tokens for token in text}
            # Vocabularies are learned by frequency, so that commoner tokens come first.
            used |= set(range(round(rungs.tokens * tokenizer.num_tokens)))
            network, tokenizer, _ = trimmed_to(network, tokenizer, used)
        if rungs.bits < WIDE:
            network = hold_in_eight_bits(copy.deepcopy(network), bits=rungs.bits)
        made = replace(self.model, network=network.eval(), tokenizer=tokenizer, fresh=())
        self.task.after_training(made, self._examples(made, "valid"))
        return made

    def correct(self, model: Classifier, split: str) -> Correct:
        """Which rows of a split a model gets right."""
        examples = self._examples(model, split)
        right: Correct = predict_logits(model.network, examples).argmax(1) == examples.targets
        return right

    def discard(self, tried: Tried) -> None:
        """Take a combination's folder off the disk."""
        shutil.rmtree(tried.made.folder)

    def _built(self, model: Classifier, rungs: Rungs) -> Built:
        self.number += 1
        folder = self.place / f"{self.number:02}"
        with writing_folder(folder, kind="model") as draft:
            model.write(draft)
        table, columns = self.prepared.tables["valid"], self.prepared.columns
        few = table.take(list(range(min(len(table), _MEASURED))))
        pairs = texts_of(few, columns.pair) if columns.pair else None
        needs = footprint(folder, texts_of(few, columns.text), pairs)
        return Built(folder, needs, self.correct(model, "valid"))

    def _examples(self, model: Classifier, split: str) -> Examples:
        return self.task.examples(model, self.prepared.tables[split], self.prepared.columns)

    def _recipe(self, network: Transformer) -> Recipe:
        recipe = self.task.recipe(self.settings, network, self.train)
        return replace(recipe, epochs=self.epochs, probe_rows=0, evaluations_per_epoch=1)

    @property
    def _objective(self) -> ClassificationObjective:
        return ClassificationObjective(self.train)

    @property
    def _runs(self) -> list[list[int]]:
        chosen = np.random.default_rng(self.settings.training.seed).permutation(len(self.train))
        some = chosen[:_ASKED].tolist()
        lengths = [self.train.lengths[i] for i in some]
        return [[some[i] for i in run] for run in reading_passes(lengths, _PASS)]

    @torch.inference_mode()
    def _loss(self, network: Transformer) -> float:
        objective = self._objective
        return sum(float(objective.loss(network, run)) for run in self._runs)

    def _tell(self, tried: Tried) -> None:
        self.notice(
            say(
                "{what}: {size:.1f} MB, {time:.2f} ms a text, {score:.1%} right ({why}).",
                what=tried.rungs.words(self.whole),
                size=tried.num_bytes / 1e6,
                time=tried.latency,
                score=tried.score,
                why=tried.verdict.sentence,
            )
        )


def front_of(tried: Sequence[Tried]) -> list[Tried]:
    """Those inside the budget, the smallest first."""
    inside = [one for one in tried if one.verdict.accepted]
    return sorted(inside, key=lambda one: (one.num_bytes, one.latency))
