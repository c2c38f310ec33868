"""All that a run is at a step: what a checkpoint holds."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from mason.errors import SettingsError
from mason.models.transformer import computes_again
from mason.runtime import Gaps, pick_precision
from mason.training.averages import Average, swapped
from mason.training.batches import Cursor, Indices, epoch_batches
from mason.training.guard import Guard
from mason.training.history import Evaluation, History
from mason.training.optimizers import build_optimizer
from mason.training.optimizers.schedule_free import ScheduleFree
from mason.training.recipe import Recipe
from mason.training.world import ALONE, World

_UNSHARED = ("adafactor", "adamw8bit")
"""Optimisers whose states are no parts of their parameters: rows and columns, blocks of bits."""


class Objective(Protocol):
    """What is learned from: examples by number, and a loss that is a sum and a count."""

    @property
    def lengths(self) -> Sequence[int]:
        """Tokens of each example."""

    def count(self, batch: Indices) -> int:
        """How many targets the batch has."""

    def loss(self, model: nn.Module, run: Sequence[int]) -> Tensor:
        """The summed loss over the targets of a run of examples."""


@runtime_checkable
class Joint(Protocol):
    """An objective whose examples are judged beside all others of their batch."""

    def begin(self, model: nn.Module, runs: Sequence[Sequence[int]]) -> None:
        """Look at a whole batch, before the loss of each of its runs is asked for."""


@dataclass
class State:
    """A run between two steps.

    Attributes:
        average: Of the weights, where the recipe asks for one.
        tokens_per_pass: Most tokens in memory at once; falls where memory ran out.
        rate_scale: Share of the recipe's learning rate; falls with each return to a
            checkpoint.
        rollbacks: Returns to a checkpoint so far.
        world: The processes that take its steps together.
        gaps: Of the memory that passes have left; None: it is not a processor's.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    recipe: Recipe
    history: History
    cursor: Cursor
    guard: Guard
    steps_per_epoch: int
    tokens_per_pass: int
    average: Average | None = None
    rate_scale: float = 1.0
    rollbacks: int = 0
    world: World = ALONE
    gaps: Gaps | None = None

    @classmethod
    def fresh(
        cls,
        model: nn.Module,
        objective: Objective,
        recipe: Recipe,
        new: Sequence[str],
        world: World = ALONE,
    ) -> "State":
        """Before the first step; ``new`` are the parameters that start from random weights.

        Raises:
            SettingsError: The recipe averages the weights twice, or several processes cannot
                share what its optimiser keeps.
        """
        decay = recipe.ema_decay
        if decay is not None and recipe.optimizer == "schedule_free":
            raise SettingsError(
                "The optimizer schedule_free averages the weights itself; leave "
                "--training.ema-decay out."
            )
        if world.size > 1 and recipe.optimizer in _UNSHARED:
            raise SettingsError(
                "Several processes cannot share the optimizer {name}; choose adamw, muon or "
                "schedule_free.",
                name=recipe.optimizer,
            )
        steps_per_epoch = len(epoch_batches(objective.lengths, recipe, epoch=0))
        device = next(model.parameters()).device
        return cls(
            model,
            build_optimizer(model, recipe, new),
            recipe,
            History(recipe.num_steps(steps_per_epoch)),
            Cursor(objective.lengths, recipe),
            Guard(),
            steps_per_epoch,
            recipe.tokens_per_pass,
            None if decay is None else Average(model.named_parameters(), decay),
            world=world,
            gaps=Gaps(computes_again(model)) if device.type == "cpu" else None,
        )

    @property
    def dtype(self) -> torch.dtype:
        """Of the matrix products."""
        return pick_precision(self.recipe.precision, self.device)

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return next(self.model.parameters()).device

    @property
    def evaluation_due(self) -> bool:
        """Whether the last step asks for an evaluation that has not been made."""
        step, history = self.history.step, self.history
        if not step or (history.evaluations and history.evaluations[-1].step == step):
            return False
        return history.ended or step % self.evaluate_every == 0

    @property
    def evaluate_every(self) -> int:
        """Steps from one evaluation to the next."""
        given = self.recipe.evaluate_steps
        return given or max(1, round(self.steps_per_epoch / self.recipe.evaluations_per_epoch))

    def weights(self) -> dict[str, Tensor]:
        """What a run changes, by name, each once: parameters that learn, and lasting buffers.

        A frozen part comes from where the run began.
        """
        parameters = dict(self.model.named_parameters())
        learned = {name: p for name, p in parameters.items() if p.requires_grad}
        if len(learned) < len(parameters):
            return dict[str, Tensor](learned)
        buffers = {n: b for n, b in self.model.named_buffers() if n in self.model.state_dict()}
        return learned | {n: b for n, b in buffers.items() if n not in parameters}

    def averages(self) -> dict[str, Tensor]:
        """The averages that are evaluated and kept in a parameter's place, by its name."""
        made = self.average or self.optimizer
        if not isinstance(made, Average | ScheduleFree):
            return {}
        by_parameter = {id(parameter): average for parameter, average in made.averages()}
        named = self.model.named_parameters()
        return {name: by_parameter[id(p)] for name, p in named if id(p) in by_parameter}

    def averaged(self) -> AbstractContextManager[None]:
        """The model with the weights to evaluate; after it, those that learn, bit for bit."""
        weights = self.weights()
        return swapped((weights[name], average) for name, average in self.averages().items())

    def settle(self) -> None:
        """Leave the model with the weights to keep: nothing is learned any more."""
        weights = self.weights()
        for name, average in self.averages().items():
            weights[name].detach().copy_(average)

    def facts(self) -> dict[str, Any]:
        """What is not a tensor."""
        history = self.history
        return {
            "step": history.step,
            "epoch": self.cursor.epoch,
            "place": self.cursor.place,
            "seed": self.recipe.seed,
            "stopped": history.stopped,
            "evaluations": [asdict(e) for e in history.evaluations],
            "best": history.best.step if history.best else None,
            "tokens_per_pass": self.tokens_per_pass,
            "rate_scale": self.rate_scale,
            "rollbacks": self.rollbacks,
            "guard": self.guard.facts(),
            "threads": torch.get_num_threads(),
            "processes": self.world.size,
        }

    def load_facts(self, facts: Mapping[str, Any]) -> None:
        """The inverse of ``facts``; the steps themselves come from the log."""
        history, lengths = self.history, self.cursor.lengths
        history.evaluations = [Evaluation(**e) for e in facts["evaluations"]]
        history.best = next((e for e in history.evaluations if e.step == facts["best"]), None)
        stopped = facts["stopped"]
        history.stopped = "finished" if stopped == "interrupted" else stopped
        self.cursor = Cursor(lengths, self.recipe, facts["epoch"], facts["place"])
        self.tokens_per_pass = facts["tokens_per_pass"]
        self.rate_scale, self.rollbacks = facts["rate_scale"], facts["rollbacks"]
        self.guard.load(facts["guard"])
