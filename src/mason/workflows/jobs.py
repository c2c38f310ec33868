"""Runs before they begin, as ``needs`` looks at them."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import nn

from mason.evaluation.language import held_tokens, read_costliest
from mason.models.transformer import Transformer
from mason.runtime import resident_bytes
from mason.settings import OutputSettings
from mason.tasks.pretraining import Learner
from mason.training.recipe import Recipe
from mason.training.state import Objective
from mason.workflows.needs import Held, Job
from mason.workflows.tasks import Examples, Task


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
) -> Job:
    """Training for a task; see ``Job``."""

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
        )

    return Job(
        network,
        task.objective(train, recipe),
        recipe,
        output,
        device,
        _process(network, device),
        task.held(held) if held else None,
        fresh,
        recompute,
        budget=budget,
        cut=cut,
    )


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
        _process(network, device),
        Held(held_tokens(held), partial(read_costliest, held=held)),
        recompute=recompute,
        processes=processes,
        timed=timed,
    )


def _process(network: nn.Module, device: torch.device) -> int:
    """Bytes this process holds of the device's memory, the network's weights left out."""
    if device.type != "cpu":
        return 0
    held = (t for t in (*network.parameters(), *network.buffers()) if t.device.type == "cpu")
    return resident_bytes() - sum(t.numel() * t.element_size() for t in held)
