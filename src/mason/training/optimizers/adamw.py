"""AdamW (Loshchilov & Hutter 2019) as one fused pass over all parameters."""

import inspect
from typing import Any

import torch
from torch import Tensor


class AdamW(torch.optim.AdamW):
    """PyTorch's, whose step is wrapped in one that loads the compiler first (two seconds)."""

    step = torch.no_grad()(inspect.unwrap(torch.optim.AdamW.step))

    def __init__(self, groups: list[dict[str, Any]]) -> None:
        super().__init__(groups, fused=True)
        self.grad_scale: Tensor | None = None
        """What the next step divides gradients by, in the pass over memory it makes anyway."""
