"""Several linear maps of one input as one product, each still reachable by name."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn


class FusedLinear(nn.Linear):
    """One weight whose output rows are named slices, such as query, key and value.

    Args:
        inputs: Width of the input.
        parts: Name and width of each slice, in order.
        bias: Whether there is a bias.
    """

    def __init__(self, inputs: int, parts: Mapping[str, int], *, bias: bool) -> None:
        super().__init__(inputs, sum(parts.values()), bias=bias)
        self.parts = dict(parts)

    @property
    def slices(self) -> dict[str, slice]:
        """The output rows of each part."""
        bounds, start = {}, 0
        for name, width in self.parts.items():
            bounds[name] = slice(start, start + width)
            start += width
        return bounds

    def split(self, output: Tensor) -> tuple[Tensor, ...]:
        """The output [..., sum of widths] cut into its parts."""
        return torch.split(output, list(self.parts.values()), dim=-1)
