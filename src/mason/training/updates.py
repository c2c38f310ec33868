"""How far a step moves the weights."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

_SAMPLE = 1 << 14
"""Values of a parameter that are looked at: a copy of all weights would cost a pass and memory."""


class Update:
    """The norm of the weights' change over the norm of the weights, near 1e-3 in a sound run.

    Of large parameters a spread sample stands for all.

    Args:
        parameters: As they are before the step.
    """

    def __init__(self, parameters: Iterable[Tensor]) -> None:
        # Of a shared model, the part that is here.
        self.parameters = [p.to_local() if hasattr(p, "to_local") else p for p in parameters]
        self.before = [_sample(p).clone() for p in self.parameters]

    def norm(self, total: Callable[[float], float] = lambda value: value) -> float:
        """After the step; ``total`` adds up what each process has of its parts."""
        sums = torch.zeros(2, device=self.parameters[0].device)
        for parameter, before in zip(self.parameters, self.before, strict=True):
            change = (_sample(parameter) - before).float().square().sum()
            size = before.float().square().sum()
            sums += torch.stack([change, size]) * (parameter.numel() / max(1, before.numel()))
        moved, whole = map(total, sums.tolist())
        return float(moved / whole) ** 0.5 if whole else 0.0


def _sample(parameter: Tensor) -> Tensor:
    """Values spread over all; an odd stride, so that all columns are met."""
    stride = max(1, parameter.numel() // _SAMPLE) | 1
    return parameter.detach().flatten()[::stride]
