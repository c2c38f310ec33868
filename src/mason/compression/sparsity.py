"""Two of four: of every four inputs of a map's output, the two that matter least become zero.

Which they are is told by size times what the input brings, in some texts (Wanda: Sun et al. 2023,
arXiv:2306.11695); then the others learn to do without them. Files hold the two that are left and
their places (Mishra et al. 2021, arXiv:2104.08378): 5 bits a number in place of 8, 3 in place of 4.
"""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from mason.layers import layer_maps
from mason.training.batches import Indices
from mason.training.state import Objective

GROUP, KEPT = 4, 2


def masks_of(
    model: nn.Module, objective: Objective, runs: Sequence[Sequence[int]]
) -> dict[str, Bool[Tensor, "O I"]]:
    """What stays of each map of the layers, by name.

    Args:
        model: Left as it is.
        objective: What reads the examples.
        runs: Numbers of examples, as they are read together.
    """
    maps = [(name, m) for name, m in layer_maps(model) if m.in_features % (2 * GROUP) == 0]
    power = {name: torch.zeros(linear.in_features) for name, linear in maps}
    hooks = []
    for name, linear in maps:

        def hear(module: nn.Module, inputs: tuple[Tensor, ...], name: str = name) -> None:
            rows = inputs[0].detach().reshape(-1, len(power[name])).float()
            power[name] += rows.square().sum(0).cpu()

        hooks.append(linear.register_forward_pre_hook(hear))
    try:
        with torch.no_grad():
            for run in runs:
                objective.loss(model, run)
    finally:
        for hook in hooks:
            hook.remove()
    return {
        name: two_of_four(m.weight.detach().abs().cpu() * power[name].sqrt()) for name, m in maps
    }


def two_of_four(worth: Float[Tensor, "O I"]) -> Bool[Tensor, "O I"]:
    """True at the two of most worth in each four of a row."""
    groups = worth.unflatten(1, (-1, GROUP))
    best = groups.topk(KEPT, dim=2).indices
    return torch.zeros_like(groups, dtype=torch.bool).scatter_(2, best, True).flatten(1)


class Sparsely:
    """An objective of a model some of whose weights stay zero.

    Args:
        inner: What is learned.
        masks: What stays of each map.
    """

    def __init__(self, inner: Objective, masks: dict[str, Tensor]) -> None:
        self.inner, self.masks, self.lengths = inner, masks, inner.lengths

    def count(self, batch: Indices) -> int:
        """As without."""
        return self.inner.count(batch)

    def loss(self, model: Any, run: Sequence[int]) -> Tensor:
        """As without, once what the last step gave to zeros is taken back."""
        self.hold(model)
        return self.inner.loss(model, run)

    @torch.no_grad()
    def hold(self, model: nn.Module) -> None:
        """Make zero what does not stay."""
        for name, mask in self.masks.items():
            weight: Tensor = model.get_submodule(name).weight  # type: ignore[assignment]
            weight.mul_(mask.to(weight.device))
