"""Runs before they begin, as ``needs`` looks at them."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import nn

from mason.evaluation.language import held_tokens, read_costliest
from mason.models.transformer import Transformer, num_bytes
from mason.runtime import resident_bytes, return_freed_memory
from mason.settings import OutputSettings
from mason.tasks.pretraining import Learner
from mason.training.recipe import Recipe
from mason.training.state import Objective
from mason.workflows.needs import Held, Job
from mason.workflows.tasks import Examples, Task

_JUDGING = 270_000_000
"""Bytes, measured on 5,000 questions: libraries that judge a reader, 145 MB, a rival made of words,
and passes that explain; a copy of the network stands beside them."""


def fine_tuning(
    task: Task[Any, Any],
    network: Transformer,
    train: Examples,
    held: Examples | None,
    recipe: Recipe,
    output: OutputSettings,
    device: torch.device,
    *,
    fresh: Sequence[str] = (),
    recompute: bool = False,
    budget: float | None = None,
    guessed: bool = False,
) -> Job:
    """Training for a task, of examples whose tokens may be guessed; see ``Job``."""

    def cut(most: int) -> Job:
        return fine_tuning(
            task,
            network,
            train.cut(most),
            held and held.cut(most),
            recipe,
            output,
            device,
            fresh=fresh,
            recompute=recompute,
            budget=budget,
            guessed=guessed,
        )

    return Job(
        network,
        task.objective(train, recipe),
        recipe,
        output,
        device,
        _process(network, device, recompute),
        _read(task, train if fresh and recipe.probe_rows else None, held),
        fresh,
        None if guessed else used_tokens(task, train, recipe),
        recompute,
        budget=budget,
        judging=_JUDGING + num_bytes(network) if task.explained_of_itself else 0,
        cut=cut,
    )


def used_tokens(task: Task[Any, Any], train: Examples, recipe: Recipe) -> frozenset[int] | None:
    """The tokens whose rows learn; None: all do.

    To leave rows out is exact only where the optimiser treats each value by itself.
    """
    if recipe.optimizer != "adamw" or recipe.privacy or recipe.word_swaps:
        return None
    tokens = task.used_tokens(train)
    return None if tokens is None else frozenset(tokens)


def _read(task: Task[Any, Any], probed: Examples | None, held: Examples | None) -> Held | None:
    """An evaluation, and what a new head is fitted to before the first step."""
    if held is None:
        return None
    told = task.held(held)
    if probed is None:
        return told
    before = task.held(probed)

    def infer(model: nn.Module) -> None:
        told.infer(model)
        before.infer(model)

    return replace(told, infer=infer)


def pretraining(
    network: Learner,
    learned: Objective,
    held: Objective,
    recipe: Recipe,
    output: OutputSettings,
    device: torch.device,
    *,
    recompute: bool = False,
    processes: int = 1,
    timed: float | None = None,
) -> Job:
    """Pretraining on any objective; see ``Job``."""
    return Job(
        network,
        learned,
        recipe,
        output,
        device,
        _process(network, device, recompute),
        Held(held_tokens(held), partial(read_costliest, held=held)),
        recompute=recompute,
        processes=processes,
        timed=timed,
    )


def _process(network: nn.Module, device: torch.device, recompute: bool) -> int:
    """Bytes this process holds of the device's memory, the network's weights left out."""
    if device.type != "cpu":
        return 0
    if recompute:
        import torch._dynamo  # noqa: F401 - 70 MB that PyTorch's checkpointing loads
    held = (t for t in (*network.parameters(), *network.buffers()) if t.device.type == "cpu")
    return_freed_memory()  # what reading the model has left is no part of the run
    return resident_bytes() - sum(t.numel() * t.element_size() for t in held)
