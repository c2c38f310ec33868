"""Weights in 4 bits: the codes of NF4, spread as normal values are (Dettmers et al. 2023, QLoRA).

Each 64 weights of a row share the largest of them as their unit, so that a weight takes 4.25 bits.
It does not learn; gradients go through it.
"""

from functools import cache

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from mason.layers.frozen import frozen_product
from mason.layers.linear import Parts

GROUP = 64
"""Weights with one unit."""
_TOGETHER = 1 << 20
"""Weights that are rounded at once, whole groups, and pairs of them that are widened: memory is
needed for few beside the result."""
_OUTERMOST = 0.9677083
"""Probability of the outermost code before scaling, the mean of 1 - 1/32 and 1 - 1/30."""


@cache
def codes() -> Float[Tensor, "16"]:
    """The 16 values of a weight in its group's unit: quantiles of a normal, from -1 to 1."""
    with torch.device("cpu"):
        above, below = (
            torch.special.ndtri(torch.linspace(_OUTERMOST, 0.5, n, dtype=torch.float64)[:-1])
            for n in (9, 8)
        )
        found = torch.cat([-below, above, above.new_zeros(1)]).sort().values
        return (found / found.abs().max()).float()


def rounded_to_int4(
    weight: Float[Tensor, "O I"],
) -> tuple[UInt8[Tensor, "P"], Float[Tensor, "G"]]:
    """Two codes a byte for all weights in order, and the unit of each group."""
    flat = weight.detach().reshape(-1)
    packed, units = zip(*(_rounded(piece) for piece in flat.split(_TOGETHER)), strict=True)
    return torch.cat(packed), torch.cat(units)


def _rounded(flat: Float[Tensor, "N"]) -> tuple[UInt8[Tensor, "P"], Float[Tensor, "G"]]:
    wide = flat.float()
    groups = nn.functional.pad(wide, (0, -len(wide) % GROUP)).view(-1, GROUP)
    units = groups.abs().amax(1).to(torch.float16)
    values, table = groups / units.float().clamp(min=1e-7)[:, None], codes().to(wide.device)
    found = torch.bucketize(values, (table[1:] + table[:-1]) / 2, out_int32=True)
    pairs = found.to(torch.uint8).view(-1, 2)
    return pairs[:, 0] * 16 + pairs[:, 1], units


class NF4Linear(Parts, nn.Module):
    """Stands for a linear map with its weight in 4 bits; it does not learn.

    Args:
        weight: What is held of it [O, I].
        bias: [O] or None.
        parts: Names of slices, where the map it stands for has any.
    """

    packed: Tensor
    units: Tensor
    bias: Tensor | None

    def __init__(
        self,
        weight: Float[Tensor, "O I"],
        bias: Tensor | None = None,
        parts: dict[str, int] | None = None,
    ) -> None:
        super().__init__()
        self.out_features, self.in_features = weight.shape
        self.parts = dict(parts or {})
        packed, units = rounded_to_int4(weight)
        self.register_buffer("packed", packed)
        self.register_buffer("units", units)
        self.register_buffer("bias", None if bias is None else bias.detach())

    def forward(self, x: Float[Tensor, "*b I"]) -> Float[Tensor, "*b O"]:
        """Rows [..., I] to rows [..., O], through widened weights."""
        return frozen_product(x, self)

    def widened(self, like: Tensor) -> Float[Tensor, "O I"]:
        """The weight as numbers in the dtype of ``like``."""
        table = codes().to(self.packed.device, like.dtype)
        pairs = torch.stack([table.repeat_interleave(16), table.repeat(16)], 1)
        wide = pairs.new_empty((len(self.packed), 2))
        for start in range(0, len(self.packed), _TOGETHER):
            at = slice(start, start + _TOGETHER)
            wide[at] = nn.functional.embedding(self.packed[at].int(), pairs)
        wide.view(-1, GROUP).mul_(self.units.to(like.dtype)[:, None])
        values = wide.flatten()[: self.out_features * self.in_features]
        return values.view(self.out_features, -1)

    def extra_repr(self) -> str:
        """What ``print`` shows."""
        return f"in_features={self.in_features}, out_features={self.out_features}"
