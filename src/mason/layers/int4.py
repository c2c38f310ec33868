"""Weights in 4 bits to write with: 32 inputs of an output share a step and a lowest value.

5 bits a weight with both in fp16. What a file holds on such a grid (Q4_0 and Q4_1 of GGUF) stays
what it is. The kernel counts on even steps; the codes of NF4 (``int4``), which are not even, take
a table for each weight and serve learning, where many rows share the widening.
"""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from mason.layers import native
from mason.layers.frozen import frozen_product
from mason.layers.int8 import hold_in_int8
from mason.layers.linear import Parts
from mason.layers.native.int4 import BLOCK, GROUP

LARGEST = 15
"""Of a code."""
_TOGETHER = 1 << 20
"""Numbers that are rounded at once, whole rows: memory is needed for few beside the result."""
_SMALLEST = 2.0**-24
"""The least step of fp16, for groups that are all one value."""
_NEAR = 0.05
"""Of a step that numbers on a grid may be off it, after a way through bf16."""


class Grid:
    """What the codes of a weight are worth.

    Args:
        steps: From one code to the next, in each group of 32 inputs [O, G], in fp16.
        lows: The value of code 0 [O, G], in fp16.
    """

    def __init__(self, steps: Float[Tensor, "O G"], lows: Float[Tensor, "O G"]) -> None:
        self.steps, self.lows = steps.half().clamp(min=_SMALLEST), lows.half()

    @classmethod
    def of(cls, weight: Float[Tensor, "O I"], share: float = 1.0) -> "Grid":
        """From the least to the largest number of each group, or ``share`` of that range.

        The steps of the whole range are those that a file has counted in, where it has.
        """
        groups = grouped(weight.float())
        low, high = groups.amin(2), groups.amax(2)
        if share == 1.0:
            return cls((high - low) / _counts(groups, low, high), low)
        middle, reach = (low + high) / 2, (high - low) * share
        return cls(reach / LARGEST, middle - reach / 2)

    def codes(self, weight: Float[Tensor, "O I"]) -> UInt8[Tensor, "O I"]:
        """The nearest code of each number."""
        steps, lows = self._wide(weight.shape[1])
        return ((weight.float() - lows) / steps).round().clamp(0, LARGEST).to(torch.uint8)

    def values(self, codes: UInt8[Tensor, "O I"]) -> Float[Tensor, "O I"]:
        """What codes are worth."""
        steps, lows = self._wide(codes.shape[1])
        values: Tensor = codes.float() * steps + lows
        return values

    def _wide(self, inputs: int) -> tuple[Tensor, Tensor]:
        steps, lows = (
            each.float().repeat_interleave(GROUP, 1)[:, :inputs] for each in (self.steps, self.lows)
        )
        return steps, lows


def grouped(weight: Float[Tensor, "O I"]) -> Float[Tensor, "O G 32"]:
    """Groups of 32 inputs; the last repeats its last number where it is short."""
    short = -weight.shape[1] % GROUP
    filled = torch.cat([weight, weight[:, -1:].expand(-1, short)], 1) if short else weight
    return filled.view(len(weight), -1, GROUP)


def _counts(
    groups: Float[Tensor, "O G 32"], low: Float[Tensor, "O G"], high: Float[Tensor, "O G"]
) -> Float[Tensor, "O G"]:
    """Steps from the least number of a group to its largest.

    15; or as many as all numbers lie on, for in a file of 4 bits (Q4_0 of GGUF) few groups use
    every code, and on other steps its numbers would be rounded once more. Rows whose first group
    lies on no steps are not looked at further.
    """
    first = _lie_on(groups[:, 0], low[:, 0], high[:, 0])
    rows = (first > 0).nonzero()[:, 0]
    found = torch.full_like(low, LARGEST)
    told = _lie_on(groups[rows].flatten(0, 1), low[rows].flatten(), high[rows].flatten())
    found[rows] = told.where(told > 0, LARGEST).view(len(rows), low.shape[1])
    return found


def _lie_on(
    groups: Float[Tensor, "N 32"], low: Float[Tensor, "N"], high: Float[Tensor, "N"]
) -> Float[Tensor, "N"]:
    """As how many even steps each group can be told, 15 at most; 0: as none."""
    found, left = torch.zeros_like(low), torch.arange(len(low), device=low.device)
    shares = (groups - low[:, None]) / (high - low).clamp(min=_SMALLEST**2)[:, None]
    for count in range(LARGEST, 0, -1):
        places = shares * count
        fits = (places - places.round()).abs().amax(1) <= _NEAR
        found[left[fits]] = count
        left, shares = left[~fits], shares[~fits]
    return found


class Int4Linear(Parts, nn.Module):
    """Stands for a linear map with its weight in 4 bits; it does not learn, others may.

    Args:
        shape: Outputs and inputs.
        packed: Whole numbers up to 15, eight in one, as ``of_codes`` lays them.
        grid: What they are worth, laid in the same blocks.
        bias: [O] or None.
        parts: Names of slices, where the map it stands for has any.
    """

    packed: Tensor
    grid: Tensor
    bias: Tensor | None

    def __init__(
        self,
        shape: Sequence[int],
        packed: Tensor,
        grid: Tensor,
        bias: Tensor | None = None,
        parts: dict[str, int] | None = None,
    ) -> None:
        super().__init__()
        self.out_features, self.in_features = shape
        self.parts = dict(parts or {})
        self.register_buffer("packed", packed)
        self.register_buffer("grid", grid)
        self.register_buffer("bias", None if bias is None else bias.detach())

    @classmethod
    def of_codes(cls, codes: UInt8[Tensor, "O I"], grid: Grid, like: nn.Linear) -> "Int4Linear":
        """Stand for a linear map with codes that were found for it."""
        parts = like.parts if isinstance(like, Parts) else None
        return cls(codes.shape, _packed(codes), _laid_grid(grid), like.bias, parts)

    @classmethod
    def of(cls, linear: nn.Linear) -> "Int4Linear":
        """Stand for a linear map, each number rounded to the nearest of its grid.

        A piece at a time goes all the way, so that beside the weight there is only what it becomes.
        """
        weight = linear.weight.detach()
        rows = max(1, _TOGETHER // (BLOCK * linear.in_features)) * BLOCK
        packed, grids = zip(*map(_rounded, weight.split(rows)), strict=True)
        parts = linear.parts if isinstance(linear, Parts) else None
        return cls(weight.shape, torch.cat(packed), torch.cat(grids), linear.bias, parts)

    @classmethod
    def of_shape(cls, linear: nn.Linear) -> "Int4Linear":
        """Stand for a linear map with what is still to come."""
        outputs, inputs = linear.weight.shape
        nothing = torch.zeros(outputs, -(-inputs // GROUP))
        codes = torch.zeros(outputs, inputs, dtype=torch.uint8)
        return cls.of_codes(codes, Grid(nothing, nothing), linear)

    def forward(self, x: Float[Tensor, "*b I"]) -> Float[Tensor, "*b O"]:
        """Rows [..., I] to rows [..., O]; many rows multiply widened weights."""
        if native.multiplies_int4(x, self.packed):
            return native.multiply_int4(x, self.packed, self.grid, self.bias, self.out_features)
        return frozen_product(x, self)

    def widened(self, like: Tensor) -> Float[Tensor, "O I"]:
        """The weight as numbers in the dtype of ``like``."""
        shape = self.out_features, self.in_features
        return native.dequantise_int4(self.packed, self.grid, shape, like)

    def _apply(self, fn: Any, recurse: bool = True) -> "Int4Linear":
        """Go to another device or dtype; the grid stays fp16, as the kernels read it."""
        grid = self.grid
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        self.grid = grid.to(self.packed.device)
        return self

    def extra_repr(self) -> str:
        """What ``print`` shows."""
        return f"in_features={self.in_features}, out_features={self.out_features}"


def hold_in_int4(model: nn.Module) -> nn.Module:
    """Replace, in place, the linear maps of layers; what else there is goes to 8 bits.

    Token vectors and the output matrix, often one, stay in 8: each token goes through them.
    """
    for name, linear in layer_maps(model):
        model.set_submodule(name, Int4Linear.of(linear))
    return hold_in_int8(model)


def layer_maps(model: nn.Module) -> list[tuple[str, nn.Linear]]:
    """The linear maps of a model's layers, by name."""
    return [
        (name, module)
        for name, module in model.named_modules()
        if ".layers." in name and isinstance(module, nn.Linear)
    ]


def _rounded(weight: Float[Tensor, "O I"]) -> tuple[Tensor, Tensor]:
    grid = Grid.of(weight)
    return _packed(grid.codes(weight)), _laid_grid(grid)


def _laid_grid(grid: Grid) -> Tensor:
    return torch.stack([_laid(grid.steps), _laid(grid.lows)], 2)


def _packed(codes: UInt8[Tensor, "O I"]) -> Tensor:
    """Eight codes a number, the first lowest [blocks, groups, 4, 16]."""
    outputs, inputs = codes.shape
    room = codes.new_zeros(-(-outputs // BLOCK) * BLOCK, -(-inputs // GROUP) * GROUP)
    room[:outputs, :inputs] = codes
    eights = room.view(-1, BLOCK, room.shape[1] // GROUP, GROUP // 8, 8)
    shifts = torch.arange(0, 32, 4, device=codes.device)
    pieces = eights.split(max(1, _TOGETHER // (BLOCK * room.shape[1])))
    whole = torch.cat([(piece.long() << shifts).sum(-1).to(torch.int32) for piece in pieces])
    return whole.permute(0, 2, 3, 1).contiguous()


def _laid(values: Tensor) -> Tensor:
    """Values of outputs and groups [O, G] in blocks of outputs [blocks, groups, 16]."""
    outputs, groups = values.shape
    room = values.new_zeros(-(-outputs // BLOCK) * BLOCK, groups)
    room[:outputs] = values
    return room.view(-1, BLOCK, groups).transpose(1, 2)
