"""What a run will need, before it takes a step: memory, time and disk.

The run's own step is taken on a twin of the model without memory (``ghosts``), on the
costliest batch there will be, so the forecast holds whatever layers and optimisers do.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mason.layers.even_rows import even_number
from mason.models.adapters import adapter_names
from mason.models.stack import Stack
from mason.runtime import MOST_GROWN
from mason.training.batches import Cursor, Indices, epoch_batches, passes
from mason.training.ghosts import Tally, twin
from mason.training.interruption import postponed
from mason.training.recipe import Recipe
from mason.training.state import Objective, State
from mason.training.step import take_step

_MAX_EPOCHS = 20
"""Epochs whose batches are looked through for the costliest."""
_CODE, _MOST_CODE = 680_000, 1024
"""Bytes that oneDNN writes for a product of bf16 in one shape (PyTorch 2.13, AVX-512, measured
over 24 of them), and how many shapes it remembers."""
_PASSING = ("activations", "logits", "workspace")
"""What comes and goes with a pass; gaps are taken to come to half of it at most."""
_PARTED = ("weights", "gradients", "optimizer")
"""What processes that train together hold a part of each."""


@dataclass(frozen=True)
class Work:
    """What computing asks for: operations of matrix products, bytes moved by all else."""

    flops: int = 0
    moved: int = 0
    operations: int = 0

    def seconds(self, speed: "Speed") -> float:
        """How long a machine takes."""
        return (
            self.flops / speed.flops + self.moved / speed.moved + self.operations * speed.operation
        )


@dataclass(frozen=True)
class Speed:
    """What a machine does in a second, and the seconds that starting an operation costs."""

    flops: float
    moved: float
    operation: float = 10e-6


@dataclass(frozen=True)
class Forecast:
    """What a run will need.

    Attributes:
        memory: Bytes at the fullest moment, by what they are for: weights, gradients,
            optimizer, activations, logits, workspace, the holes between them, the code that is
            written for products, and what gaps grow to. The process is not among them.
        weight_bytes: The weights alone, or what is kept of them: adapters and what learns
            beside them.
        state_bytes: Weights that learn and optimiser state: a checkpoint.
        num_steps: Optimiser steps.
        num_tokens: Tokens all of them read.
        fixed: Work of a step whatever it reads.
        read: Work of a step that reads ``tokens_read``, the fixed part included.
        tokens_read: See ``read``.
    """

    memory: Mapping[str, int]
    weight_bytes: int
    state_bytes: int
    num_parameters: int
    num_steps: int
    num_tokens: int
    fixed: Work
    read: Work
    tokens_read: int

    @property
    def peak(self) -> int:
        """Bytes at the fullest moment."""
        return sum(self.memory.values())

    def seconds(self, speed: Speed) -> float:
        """How long all steps take."""
        fixed, read = self.fixed.seconds(speed), self.read.seconds(speed)
        per_token = max(read - fixed, 0.0) / self.tokens_read
        return self.num_steps * fixed + self.num_tokens * per_token


def memory_of_each(
    memory: Mapping[str, int], model: nn.Module, num_processes: int
) -> dict[str, int]:
    """What each of several processes needs of a forecast's memory, as ``World.share`` does it.

    Args:
        memory: ``Forecast.memory``.
        model: What they train.
        num_processes: That many hold a part each of what is learned.
    """
    if num_processes == 1:
        return dict(memory)
    stacks = [m for m in model.modules() if isinstance(m, Stack)]
    layers = [_num_bytes(layer) for stack in stacks for layer in stack.layers]
    parts = {name: -(-memory[name] // num_processes) for name in _PARTED if name in memory}
    # The root and its gradient; a layer, the next one, and a gradient.
    whole = 2 * (_num_bytes(model) - sum(layers)) + 3 * max(layers, default=0)
    # At the end the model is whole again.
    return {**memory, **parts, "whole": max(whole, _num_bytes(model) - sum(parts.values()))}


def _num_bytes(module: nn.Module) -> int:
    return sum(p.numel() * p.element_size() for p in module.parameters())


@postponed()
def forecast(
    model: nn.Module,
    objective: Objective,
    recipe: Recipe,
    *,
    fresh: Sequence[str] = (),
    infer: Callable[[nn.Module], object] | None = None,
) -> Forecast:
    """What a run of ``fit`` with these arguments will need; nothing of it is touched.

    Args:
        model: On any device; on the meta device it may be of any size.
        objective: Where losses come from; only its lengths decide.
        recipe: Every number of the run.
        fresh: Names of parameters that start from random weights.
        infer: The costliest forward pass of an evaluation.
    """
    tally = Tally()
    ghost = twin(model, tally).train()
    watched = _Watched(objective, tally)
    batches = _batches(objective.lengths, recipe)
    with torch.random.fork_rng(devices=[]), tally:
        state = State.fresh(ghost, watched, recipe, fresh)
        state.gaps = None  # a ghost leaves none
        _label(ghost, tally)
        num_steps = state.history.num_steps
        shortest = np.array([int(np.argmin(objective.lengths))])
        fixed = _step(state, watched, shortest, tally)
        num_shapes = len(tally.shapes)
        _adopt_optimizer(state, tally)
        batch, rows = _costliest(batches[:num_steps], objective.lengths, recipe, ghost)
        read = _step(state, watched, batch, tally)
        memory = dict(tally.peak)
        if infer is not None:
            memory = max(memory, _inference(ghost, infer, tally), key=lambda m: sum(m.values()))
        memory["holes"] = max(tally.heap.top - sum(memory.values()), 0)
        memory["code"] = min(num_shapes * len({even_number(n) for n in rows}), _MOST_CODE) * _CODE
        passing = sum(memory.get(name, 0) for name in _PASSING)
        memory["gaps"] = round(min((MOST_GROWN - 1) * sum(memory.values()), passing / 2))
        live = dict(tally.live)
    tokens = [sum(int(objective.lengths[int(i)]) for i in b) for b in batches[:num_steps]]
    learned = sum(p.numel() * p.element_size() for p in model.parameters() if p.requires_grad)
    whole = all(p.requires_grad for p in model.parameters())
    return Forecast(
        memory,
        learned if adapter_names(model) else live["weights"],
        (live["weights"] if whole else learned) + live.get("optimizer", 0),
        sum(p.numel() for p in model.parameters()),
        num_steps,
        round(sum(tokens) * num_steps / len(tokens)),
        fixed,
        read,
        sum(int(objective.lengths[int(i)]) for i in batch),
    )


class _Watched:
    """An objective that tells the tally which part of a step has begun."""

    def __init__(self, inner: Objective, tally: Tally) -> None:
        self.inner, self.tally = inner, tally

    @property
    def lengths(self) -> Sequence[int]:
        return self.inner.lengths

    def count(self, batch: Indices) -> int:
        return self.inner.count(batch)

    def loss(self, model: nn.Module, run: Sequence[int]) -> Tensor:
        self.tally.label = "activations"
        loss = self.inner.loss(model, run)
        self.tally.label = "workspace"
        return loss


class _Given(Cursor):
    """Gives one batch, whatever the order says."""

    def __init__(self, batch: Indices) -> None:
        self.batch, self.epoch, self.place = batch, 0, 0

    def next(self) -> Indices:
        return self.batch


def _step(state: State, objective: Objective, batch: Indices, tally: Tally) -> Work:
    state.cursor = _Given(batch)
    tally.restart()
    take_step(state, objective, lambda *refused: None)
    return Work(tally.flops, tally.moved, tally.operations)


def _label(model: nn.Module, tally: Tally) -> None:
    """Have gradients and what the heads make counted under their names."""

    def gradient(parameter: Tensor) -> None:
        if parameter.grad is not None:
            tally.adopt(parameter.grad, "gradients")

    def head(*_: object) -> None:
        tally.label = "logits"

    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.register_post_accumulate_grad_hook(gradient)
    for name, module in model.named_modules():
        if name.startswith("heads.") and name.count(".") == 1:
            module.register_forward_pre_hook(head)


def _adopt_optimizer(state: State, tally: Tally) -> None:
    for kept in state.optimizer.state.values():
        for value in kept.values():
            if isinstance(value, Tensor):
                tally.adopt(value, "optimizer")


def _inference(
    model: nn.Module, infer: Callable[[nn.Module], object], tally: Tally
) -> dict[str, int]:
    tally.restart()
    tally.label = "workspace"
    model.eval()
    with torch.no_grad():
        infer(model)
    return dict(tally.peak)


def _batches(lengths: Sequence[int], recipe: Recipe) -> list[Indices]:
    epochs = min(max(1, round(recipe.epochs + 0.5)), _MAX_EPOCHS)
    found: list[Indices] = []
    for epoch in range(epochs):
        found += epoch_batches(lengths, recipe, epoch)
    return found


def _costliest(
    batches: Sequence[Indices], lengths: Sequence[int], recipe: Recipe, model: nn.Module
) -> tuple[Indices, set[int]]:
    """The batch with the largest pass, by what layers keep (Korthikanti et al. 2022).

    And how many tokens any pass reads, each number once.
    """
    spec: Any = getattr(model, "spec", None)
    # 34 bytes a token and feature, 5 a score, of their table; only the ratio counts here.
    scores = 5 / 34 * spec.stack.attention.num_heads / spec.width if spec is not None else 0.0

    rows: set[int] = set()

    def cost(batch: Indices) -> float:
        most = 0.0
        for run in passes(batch, lengths, recipe.tokens_per_pass):
            rows.add(sum(lengths[i] for i in run))
            most = max(most, sum(lengths[i] + scores * lengths[i] ** 2 for i in run))
        return most

    return max(batches, key=cost), rows


def measure_speed(width: int, dtype: torch.dtype, *, seconds: float = 0.1) -> Speed:
    """What this machine's CPU does, on shapes like the model's.

    Args:
        width: The model's width.
        dtype: Of the products.
        seconds: How long to measure each of the two.
    """
    left, right = torch.zeros(512, width, dtype=dtype), torch.zeros(width, 4 * width, dtype=dtype)
    product = torch.empty(512, 4 * width, dtype=dtype)
    # More than caches hold, as what a step keeps for its way back is: 8 MB run five times as fast
    # where a server's last cache has 300.
    many = torch.zeros(1 << 23)
    flops = 2 * left.numel() * right.shape[1]
    return Speed(
        flops / _time(lambda: torch.mm(left, right, out=product), seconds),
        3 * many.nbytes / _time(lambda: torch.add(many, many, out=many), seconds),
    )


def _time(work: Callable[[], object], seconds: float) -> float:
    """Seconds of one call: the median of as many as there is time for."""
    work()
    taken: list[float] = []
    end = time.monotonic() + seconds
    while not taken or time.monotonic() < end:
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return float(np.median(taken))
