"""An optimiser's state as tensors with names, for files without pickle."""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

Named = Iterable[tuple[str, nn.Parameter]]


def optimizer_tensors(
    optimizer: torch.optim.Optimizer, named: Named
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The state of each parameter as ``PARAMETER.key``, and what is no tensor."""
    names = {id(p): n for n, p in named}
    return {
        f"{names[id(p)]}.{key}": value
        for p, state in optimizer.state.items()
        for key, value in state.items()
    }, {}


def load_optimizer(
    optimizer: torch.optim.Optimizer,
    named: Named,
    tensors: Mapping[str, Tensor],
    facts: Mapping[str, Any],
) -> None:
    """The inverse of ``optimizer_tensors``."""
    parameters = dict(named)
    for path, value in tensors.items():
        name, _, key = path.rpartition(".")
        parameter = parameters[name]
        moved = value.to(parameter.device) if value.ndim else value
        optimizer.state[parameter][key] = moved.clone()
