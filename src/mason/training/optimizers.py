"""AdamW with the groups every recipe wants."""

import re
from collections.abc import Iterable

import torch
from torch import nn

from mason.training.recipe import Recipe


def build_optimizer(
    model: nn.Module, recipe: Recipe, fresh: Iterable[str] = ()
) -> torch.optim.Optimizer:
    """AdamW (Loshchilov & Hutter 2019), as one fused pass.

    Vectors (biases, norms) do not decay; parts that start fresh may learn at their own
    rate; lower layers may learn slower. The rate of each group at the peak of the
    schedule is kept as ``group["peak"]``.
    """
    new, depth = set(fresh), _depth(model)
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        decay = recipe.weight_decay if parameter.ndim > 1 else 0.0
        rate = recipe.learning_rate * recipe.layer_decay ** _below_top(name, depth)
        if name in new and recipe.head_learning_rate is not None:
            rate = recipe.head_learning_rate
        groups.setdefault((rate, decay), []).append(parameter)
    return torch.optim.AdamW(
        [
            {"params": parameters, "lr": rate, "weight_decay": decay, "peak": rate}
            for (rate, decay), parameters in groups.items()
        ],
        fused=True,
    )


def set_rates(optimizer: torch.optim.Optimizer, share: float) -> None:
    """Set every group's learning rate to a share of its peak."""
    for group in optimizer.param_groups:
        group["lr"] = group["peak"] * share


def _below_top(name: str, depth: int) -> int:
    """How many layers above this parameter: 0 in the top layer and the heads."""
    found = re.search(r"\.layers\.(\d+)\.", name)
    if found:
        return depth - 1 - int(found.group(1))
    return depth if ".embedding." in name else 0


def _depth(model: nn.Module) -> int:
    numbers = (re.search(r"\.layers\.(\d+)\.", name) for name, _ in model.named_parameters())
    return 1 + max((int(n.group(1)) for n in numbers if n), default=-1)
