"""The training loop, on one page."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor, nn

from mason.errors import RunError
from mason.runtime import pick_precision
from mason.training.batches import Indices, epoch_batches, passes
from mason.training.interruption import Interruption
from mason.training.optimizers import build_optimizer, set_rates
from mason.training.recipe import Recipe


class Objective(Protocol):
    """What is learned from: examples by number, and a loss that is a sum and a count."""

    @property
    def lengths(self) -> Sequence[int]:
        """Tokens of each example."""

    def count(self, batch: Indices) -> int:
        """How many targets the batch has."""

    def loss(self, model: nn.Module, run: Sequence[int]) -> Tensor:
        """The summed loss over the targets of a run of examples."""


@dataclass(frozen=True)
class Step:
    """One optimiser step, after it was taken."""

    step: int
    epoch: float
    loss: float
    learning_rate: float
    gradient_norm: float
    tokens: int
    seconds: float


@dataclass(frozen=True)
class Evaluation:
    """What the validation examples said after a step; a lower ``valid_loss`` is better."""

    step: int
    epoch: float
    train_loss: float
    valid_loss: float
    valid_accuracy: float | None = None
    valid_macro_f1: float | None = None


@dataclass
class History:
    """Everything that happened."""

    num_steps: int = 0
    steps: list[Step] = field(default_factory=list)
    evaluations: list[Evaluation] = field(default_factory=list)
    best: Evaluation | None = None
    stopped: str = "finished"


Scores = dict[str, float]
Evaluate = Callable[[nn.Module], Scores]
"""Validation scores: ``valid_loss`` and, where there are any, the other fields."""
Watch = Callable[[History], None]
"""Called after every step and evaluation."""


def fit(
    model: nn.Module,
    objective: Objective,
    recipe: Recipe,
    *,
    evaluate: Evaluate | None = None,
    fresh: Sequence[str] = (),
    watch: Watch = lambda history: None,
) -> History:
    """Train, and leave the model as it was at its best evaluation.

    Args:
        model: Trained in place, on the device it is on.
        objective: Where losses come from.
        recipe: Every number of the run.
        evaluate: Called ``evaluations_per_epoch`` times an epoch, and at the end.
        fresh: Names of parameters that start from random weights.
        watch: Called after every step and evaluation.
    """
    device = next(model.parameters()).device
    dtype = pick_precision(recipe.precision, device)
    optimizer = build_optimizer(model, recipe, fresh)
    steps_per_epoch = len(epoch_batches(objective.lengths, recipe, epoch=0))
    history = History(recipe.num_steps(steps_per_epoch))
    every = max(1, round(steps_per_epoch / recipe.evaluations_per_epoch))
    best: dict[str, Tensor] = {}
    parameters = [p for p in model.parameters() if p.requires_grad]
    model.train()
    with Interruption() as interruption:
        for step, batch in enumerate(_batches(objective, recipe, history.num_steps), start=1):
            start = time.monotonic()
            share = recipe.rate_share(step - 1, history.num_steps)
            set_rates(optimizer, share)
            loss = _accumulate(model, objective, batch, recipe.tokens_per_pass, dtype)
            _check_finite(loss, step)
            norm = nn.utils.clip_grad_norm_(parameters, recipe.clip_norm)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            epoch, rate = step / steps_per_epoch, recipe.learning_rate * share
            tokens, seconds = _tokens(objective, batch), time.monotonic() - start
            history.steps.append(Step(step, epoch, loss, rate, float(norm), tokens, seconds))
            history.stopped = "interrupted" if interruption.asked else "finished"
            watch(history)
            last = interruption.asked or step == history.num_steps
            if evaluate and (last or step % every == 0):
                if _assess(model, evaluate, history, every):
                    best = {n: p.detach().clone() for n, p in model.named_parameters()}
                watch(history)
            history.stopped = _reason_to_stop(history, recipe, interruption)
            if history.stopped != "finished":
                break
    model.eval()
    if best:
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                parameter.copy_(best[name])
    return history


def _accumulate(
    model: nn.Module, objective: Objective, batch: Indices, budget: int, dtype: torch.dtype
) -> float:
    """Add the gradient of the batch's mean loss, pass by pass; return that loss."""
    device, count, loss = next(model.parameters()).device.type, objective.count(batch), 0.0
    for run in passes(batch, objective.lengths, budget):
        with torch.autocast(device, dtype, enabled=dtype != torch.float32):
            summed = objective.loss(model, run)
        (summed / count).backward()
        loss += float(summed.detach())
    return loss / count


def _check_finite(loss: float, step: int) -> None:
    if not math.isfinite(loss):
        raise RunError(
            "The loss of step {step} is {loss}: training has broken down; lower "
            "--training.learning-rate, or choose --training.precision fp32.",
            step=step,
            loss=loss,
        )


def _tokens(objective: Objective, batch: Indices) -> int:
    return sum(objective.lengths[int(i)] for i in batch)


def _batches(objective: Objective, recipe: Recipe, num_steps: int) -> Iterator[Indices]:
    step, epoch = 0, 0
    while step < num_steps:
        for batch in epoch_batches(objective.lengths, recipe, epoch)[: num_steps - step]:
            step += 1
            yield batch
        epoch += 1


def _assess(model: nn.Module, evaluate: Evaluate, history: History, every: int) -> bool:
    """Evaluate; True if it is the best so far."""
    model.eval()
    last, recent = history.steps[-1], history.steps[-every:]
    scores = evaluate(model)
    train_loss = sum(s.loss for s in recent) / len(recent)
    evaluation = Evaluation(last.step, last.epoch, train_loss, **scores)
    model.train()
    history.evaluations.append(evaluation)
    better = history.best is None or evaluation.valid_loss < history.best.valid_loss
    if better:
        history.best = evaluation
    return better


def _reason_to_stop(history: History, recipe: Recipe, interruption: Interruption) -> str:
    """Why to stop after this step; "finished" while there is no reason."""
    if interruption.asked:
        return "interrupted"
    if recipe.patience is None or history.best is None:
        return "finished"
    since = [e for e in history.evaluations if e.step > history.best.step]
    return "early" if len(since) >= recipe.patience else "finished"
