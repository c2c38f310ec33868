"""Optimisers by name, with the groups every recipe wants."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from mason.errors import SettingsError
from mason.runtime import leave_compiler_out
from mason.training.optimizers.adamw import AdamW
from mason.training.optimizers.muon import Muon
from mason.training.optimizers.schedule_free import ScheduleFree
from mason.training.recipe import Recipe

Groups = list[dict[str, Any]]
"""Parameters with their ``lr``, ``peak`` and ``weight_decay``; ``hidden``: whether all of them
are matrices between the embeddings and the heads."""


def _adafactor(groups: Groups) -> torch.optim.Optimizer:
    """Shazeer & Stern 2018: a row and a column of second moments for each matrix.

    Its rate is a share of the weights' own size, so it wants about ten times AdamW's.
    """
    return torch.optim.Adafactor(groups)


def _adamw8bit(groups: Groups) -> torch.optim.Optimizer:
    """AdamW with both moments in 8 bits a value (Dettmers et al. 2022)."""
    try:
        from torchao.optim import AdamW8bit
    except ImportError as error:
        raise SettingsError(
            'The optimizer adamw8bit needs torchao: pip install "mason-lm[lowbit]".'
        ) from error
    made: torch.optim.Optimizer = AdamW8bit(groups)
    return made


OPTIMIZERS: Mapping[str, Callable[[Groups], torch.optim.Optimizer]] = MappingProxyType(
    {
        "adamw": AdamW,
        "muon": Muon,
        "adafactor": _adafactor,
        "adamw8bit": _adamw8bit,
        "schedule_free": ScheduleFree,
    }
)


def build_optimizer(
    model: nn.Module, recipe: Recipe, fresh: Iterable[str] = ()
) -> torch.optim.Optimizer:
    """The recipe's optimiser over a model's parameters.

    Vectors (biases, norms) do not decay; parts that start fresh may learn at their own
    rate; lower layers may learn slower. The rate of each group at the peak of the
    schedule is kept as ``group["peak"]``.

    Raises:
        SettingsError: The optimiser's package is not installed.
    """
    leave_compiler_out()
    new, depth = set(fresh), _depth(model)
    groups: dict[tuple[float, float, bool], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        decay = recipe.weight_decay if parameter.ndim > 1 else 0.0
        rate = recipe.learning_rate * recipe.layer_decay ** _below_top(name, depth)
        if name in new and recipe.head_learning_rate is not None:
            rate = recipe.head_learning_rate
        if name.endswith(".up"):
            rate *= recipe.up_rate_ratio
        hidden = parameter.ndim == 2 and ".layers." in name
        groups.setdefault((rate, decay, hidden), []).append(parameter)
    return OPTIMIZERS[recipe.optimizer](
        [
            {"params": of, "lr": rate, "weight_decay": decay, "peak": rate, "hidden": hidden}
            for (rate, decay, hidden), of in groups.items()
        ]
    )


def set_rates(optimizer: torch.optim.Optimizer, share: float) -> None:
    """Set every group's learning rate to a share of its peak."""
    for group in optimizer.param_groups:
        rate = group["peak"] * share
        if isinstance(group["lr"], Tensor):  # torchao's: a compiled step reads it
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate


def clip(
    optimizer: torch.optim.Optimizer,
    parameters: Sequence[nn.Parameter],
    norm: Tensor,
    limit: float,
    *,
    alone: bool = True,
) -> None:
    """Scale gradients down, where they are larger, to a norm of ``limit`` (Pascanu et al. 2013).

    Args:
        optimizer: Whose next step reads them.
        parameters: Those that have gradients.
        norm: Of all gradients together.
        limit: The largest that is left as it is.
        alone: Whether this process holds the parameters whole.
    """
    large = bool(norm > limit)
    if isinstance(optimizer, AdamW) and alone:
        # The plain way reads and writes every gradient once more.
        optimizer.grad_scale = (norm.float() + 1e-6) / limit if large else None
    elif large:
        nn.utils.clip_grads_with_norm_(parameters, limit, norm)


def _below_top(name: str, depth: int) -> int:
    """How many layers above this parameter: 0 in the top layer and the heads."""
    found = re.search(r"\.layers\.(\d+)\.", name)
    if found:
        return depth - 1 - int(found.group(1))
    return depth if ".embedding." in name else 0


def _depth(model: nn.Module) -> int:
    numbers = (re.search(r"\.layers\.(\d+)\.", name) for name, _ in model.named_parameters())
    return 1 + max((int(n.group(1)) for n in numbers if n), default=-1)
