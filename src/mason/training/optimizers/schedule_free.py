"""AdamW that averages its own path instead of letting the learning rate fall."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

_BETA1, _BETA2, _EPS = 0.9, 0.999, 1e-8


class ScheduleFree(torch.optim.Optimizer):
    """Schedule-free AdamW (Defazio et al. 2024, "The Road Less Scheduled").

    Gradients are taken at ``y = 0.1 z + 0.9 x``, where ``z`` is AdamW's own path without
    momentum and ``x`` the average of that path. The model holds ``y``; what is evaluated
    and kept in the end is ``x``: see ``averages``. Wants a constant rate after the warm-up.

    Args:
        groups: Parameters with ``lr``, ``peak`` and ``weight_decay``.

    Attributes:
        scalars: Steps so far, the highest share of the peak rate, the sum of the weights of
            the average. A group's rate is a share of its peak, so they hold for all groups.
    """

    def __init__(self, groups: list[dict[str, Any]]) -> None:
        super().__init__(groups, {})
        self.scalars: dict[str, float] = {"steps": 0, "highest": 0.0, "weights": 0.0}

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Update every parameter that has a gradient."""
        told, first = self.scalars, self.param_groups[0]
        told["steps"] += 1
        told["highest"] = max(told["highest"], first["lr"] / first["peak"])
        weight = told["highest"] ** 2
        told["weights"] += weight
        for group in self.param_groups:
            self._update(group, weight / told["weights"])

    def averages(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Each parameter that has moved with its ``x``: the weights to evaluate and keep."""
        for parameter, state in self.state.items():
            z = state["z"]
            yield parameter, z.lerp(parameter.detach(), 1 / _BETA1)

    def _update(self, group: dict[str, Any], pull: float) -> None:
        """One step of a group; ``pull`` is the weight of the newest point in the average."""
        params = [p for p in group["params"] if p.grad is not None]
        if not params:
            return
        for p in params:
            if p not in self.state:
                self.state[p] = {
                    "z": p.detach().clone(),
                    "exp_avg_sq": torch.zeros_like(p, memory_format=torch.preserve_format),
                }
        rate, decay = group["lr"], group["weight_decay"]
        grads = [p.grad for p in params]
        paths = [self.state[p]["z"] for p in params]
        squares = [self.state[p]["exp_avg_sq"] for p in params]
        torch._foreach_mul_(squares, _BETA2)
        torch._foreach_addcmul_(squares, grads, grads, 1 - _BETA2)
        moves = torch._foreach_div(squares, 1 - _BETA2 ** self.scalars["steps"])
        torch._foreach_sqrt_(moves)
        torch._foreach_add_(moves, _EPS)
        torch._foreach_reciprocal_(moves)
        torch._foreach_mul_(moves, grads)
        if decay:
            torch._foreach_add_(moves, params, alpha=decay)
        torch._foreach_lerp_(params, paths, pull)
        torch._foreach_add_(params, moves, alpha=rate * (_BETA1 * (1 - pull) - 1))
        torch._foreach_sub_(paths, moves, alpha=rate)
