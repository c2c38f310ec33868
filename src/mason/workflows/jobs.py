"""Runs before they begin, as ``needs`` looks at them."""

from collections.abc import Sequence
from functools import partial

import torch
from torch import nn

from mason.evaluation.language import held_tokens, read_costliest
from mason.models.transformer import Transformer
from mason.runtime import resident_bytes
from mason.settings import OutputSettings
from mason.tasks.classification import (
    ClassificationObjective,
    Examples,
    class_logits,
    reading_passes,
)
from mason.tasks.pretraining import Learner
from mason.training.recipe import Recipe
from mason.training.state import Objective
from mason.workflows.needs import Held, Job


def classifying(
    network: Transformer,
    train: Examples,
    held: Examples | None,
    recipe: Recipe,
    output: OutputSettings,
    device: torch.device,
    *,
    fresh: Sequence[str] = (),
    recompute: bool = False,
) -> Job:
    """Fine-tuning on labels; see ``Job``."""

    def cut(most: int) -> Job:
        return classifying(
            network,
            _cut(train, most),
            held and _cut(held, most),
            recipe,
            output,
            device,
            fresh=fresh,
            recompute=recompute,
        )

    return Job(
        network,
        ClassificationObjective(train, label_smoothing=recipe.label_smoothing),
        recipe,
        output,
        device,
        _process(network, device),
        Held(sum(held.lengths), partial(_read, held)) if held else None,
        fresh,
        recompute,
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
    )


def _process(network: nn.Module, device: torch.device) -> int:
    """Bytes this process holds of the device's memory, the network's weights left out."""
    if device.type != "cpu":
        return 0
    weights = (p for p in network.parameters() if p.device.type == "cpu")
    return resident_bytes() - sum(p.numel() * p.element_size() for p in weights)


def _read(held: Examples, network: nn.Module) -> None:
    """The costliest pass of an evaluation."""
    assert isinstance(network, Transformer)
    runs, lengths = reading_passes(held.lengths), held.lengths
    class_logits(network, held.pack(max(runs, key=lambda r: _cost(r, lengths))))


def _cost(run: Sequence[int], lengths: Sequence[int]) -> int:
    """Tokens, and what scores add to them at the widths that are common."""
    return sum(lengths[i] * (100 + lengths[i]) for i in run)


def _cut(examples: Examples, most: int) -> Examples:
    types = examples.token_types
    return Examples(
        [t[:most] for t in examples.tokens],
        None if types is None else [t[:most] for t in types],
        examples.targets,
    )
