"""AdamW (Loshchilov & Hutter 2019) as one fused pass over all parameters."""

import inspect
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import increment_version

_STEP = inspect.unwrap(torch.optim.AdamW.step)


class AdamW(torch.optim.AdamW):
    """PyTorch's, whose step is wrapped in one that loads the compiler first (two seconds)."""

    def __init__(self, groups: list[dict[str, Any]]) -> None:
        super().__init__(groups, fused=True)
        self.grad_scale: Tensor | None = None
        """What the next step divides gradients by, in the pass over memory it makes anyway."""

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One step; parameters count it as a change, which the fused kernel does not tell them."""
        _STEP(self, closure)
        parameters = (p for group in self.param_groups for p in group["params"])
        increment_version([p for p in parameters if p.grad is not None])
