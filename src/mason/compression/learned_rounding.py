"""Quantisation-aware training: weights learn what they will be worth once they are rounded.

Each product takes the rounded weight; its gradient goes to the wide one as if nothing had been
rounded (the straight-through estimator: Bengio et al. 2013, arXiv:1308.3432; Jacob et al. 2018,
arXiv:1712.05877). The steps are those of the files: what comes out is stored as it is.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils import parametrize

from mason.layers import Grid
from mason.layers.int8 import STEPS, rounded_to_int8, shortened
from mason.training.batches import Indices
from mason.training.state import Objective

rounded_once = parametrize.cached
"""Within ``learning_rounded``, a block in which no weight changes: each is rounded once."""
_SMALLEST = torch.finfo(torch.float32).tiny


class RowRounding(nn.Module):
    """Each row to whole numbers of a step of its own, as ``rounded_to_int8`` rounds.

    Where the largest number of a row ends up among the whole ones is settled by what loses least
    at the beginning; what lies beyond is clipped, and learns no further outwards.

    Args:
        weight: As it is before it learns [O, I].
        bits: 8 or 4.
    """

    shares: Tensor

    def __init__(self, weight: Float[Tensor, "O I"], bits: int) -> None:
        super().__init__()
        self.largest = STEPS[bits]
        _, scales = rounded_to_int8(weight, largest=self.largest)
        reach = weight.detach().abs().amax(1).clamp(min=_SMALLEST)
        shares = (scales * self.largest / reach).clamp(max=1.0)
        self.register_buffer("shares", shares, persistent=False)

    def forward(self, weight: Float[Tensor, "O I"]) -> Float[Tensor, "O I"]:
        """What the weight is worth in few bits."""
        reach = weight.detach().abs().amax(1) * self.shares
        scales = shortened((reach / self.largest).float()).clamp(min=_SMALLEST)
        zeros = torch.zeros_like(scales, dtype=torch.int32)
        return torch.fake_quantize_per_channel_affine(
            weight, scales, zeros, 0, -self.largest, self.largest
        )


class GroupRounding(nn.Module):
    """Groups of 32 inputs to 16 steps between their least and largest, as ``Grid`` has them."""

    def forward(self, weight: Float[Tensor, "O I"]) -> Float[Tensor, "O I"]:
        """What the weight is worth in 4 bits; no number lies outside its group's range."""
        wide = weight.detach()
        grid = Grid.of(wide)
        return weight + (grid.values(grid.codes(wide)) - wide)


@contextmanager
def learning_rounded(roundings: Mapping[nn.Module, nn.Module]) -> Iterator[None]:
    """Weights as they will be once rounded, for whoever reads them as long as the block runs.

    Afterwards each weight is what it was worth last, so that rounding it changes nothing.

    Args:
        roundings: What rounds the ``weight`` of each module.
    """
    for module, one in roundings.items():
        parametrize.register_parametrization(module, "weight", one)
    try:
        yield
    finally:
        for module in roundings:
            parametrize.remove_parametrizations(module, "weight")


class InFewBits:
    """An objective of a model within ``learning_rounded``: each weight is rounded once a pass.

    Args:
        inner: What is learned.
    """

    def __init__(self, inner: Objective) -> None:
        self.inner, self.lengths = inner, inner.lengths

    def count(self, batch: Indices) -> int:
        """As without."""
        return self.inner.count(batch)

    def loss(self, model: Any, run: Sequence[int]) -> Tensor:
        """As without."""
        with rounded_once():
            return self.inner.loss(model, run)
