"""Muon for the hidden matrices, AdamW for everything else."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from mason.runtime import pick_precision
from mason.training.optimizers.adamw import AdamW

_MOMENTUM = 0.95
_STEPS = 5
_QUINTIC = (3.4445, -4.7750, 2.0315)
"""Coefficients of the iteration (Jordan et al. 2024): steep at 0, near 1 after five steps."""


class Muon(torch.optim.Optimizer):
    """Nesterov momentum made orthogonal by Newton and Schulz (Jordan et al. 2024).

    As its authors say, embeddings, heads and vectors are left to AdamW. Updates are scaled
    to AdamW's size (Liu et al. 2025), so that one learning rate and one decay serve both.
    PyTorch's own multiplies in bf16 everywhere, seven times slower than fp32 on a processor
    that only emulates it.

    Args:
        groups: Parameters with ``lr``, ``weight_decay`` and ``hidden``; Muon takes the
            groups that are hidden.
    """

    def __init__(self, groups: list[dict[str, Any]]) -> None:
        super().__init__(groups, {})
        others = [group for group in groups if not group["hidden"]]
        self._others = AdamW(others) if others else None
        if self._others is not None:  # one state, so that whoever keeps it sees one optimiser
            self._others.state = self.state

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Update every parameter that has a gradient."""
        if self._others is not None:
            self._others.step()
        for group in self.param_groups:
            for weight in group["params"] if group["hidden"] else ():
                if weight.grad is not None:
                    self._turn(weight, weight.grad, group["lr"], group["weight_decay"])

    def _turn(self, weight: Tensor, gradient: Tensor, rate: float, decay: float) -> None:
        state = self.state[weight]
        if not state:
            state["momentum_buffer"] = torch.zeros_like(weight)
        momentum = state["momentum_buffer"].lerp_(gradient, 1 - _MOMENTUM)
        update = orthogonal(gradient.lerp(momentum, _MOMENTUM))
        weight.mul_(1 - rate * decay)
        weight.add_(update, alpha=-0.2 * max(weight.shape) ** 0.5 * rate)


def orthogonal(matrix: Tensor) -> Tensor:
    """About the nearest matrix whose singular values are all alike, near 1."""
    a, b, c = _QUINTIC
    tall = matrix.shape[0] > matrix.shape[1]
    x = (matrix.T if tall else matrix).to(pick_precision("auto", matrix.device))
    x = x / x.norm().clamp(min=1e-7)
    for _ in range(_STEPS):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return (x.T if tall else x).to(matrix.dtype)
