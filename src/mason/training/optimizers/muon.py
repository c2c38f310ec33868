"""Muon for the hidden matrices, AdamW for everything else."""

from collections.abc import Callable
from typing import Any

import torch


class Muon(torch.optim.Optimizer):
    """Momentum made orthogonal by Newton and Schulz (Jordan et al. 2024).

    As its authors say, embeddings, heads and vectors are left to AdamW. Updates are scaled
    to AdamW's size (Liu et al. 2025), so that one learning rate and one decay serve both.

    Args:
        groups: Parameters with ``lr``, ``weight_decay`` and ``hidden``; Muon takes the
            groups that are hidden.
    """

    def __init__(self, groups: list[dict[str, Any]]) -> None:
        super().__init__(groups, {})
        hidden = [group for group in groups if group["hidden"]]
        others = [group for group in groups if not group["hidden"]]
        self._parts: list[torch.optim.Optimizer] = []
        if hidden:
            self._parts.append(torch.optim.Muon(hidden, adjust_lr_fn="match_rms_adamw"))
        if others:
            self._parts.append(torch.optim.AdamW(others, fused=True))
        for part in self._parts:  # one state, so that whoever keeps it sees one optimiser
            part.state = self.state

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Update every parameter that has a gradient."""
        for part in self._parts:
            part.step()
