"""Products with weights in 4 bits: two numbers a byte, 32 inputs with a step and a lowest value."""

import torch
from jaxtyping import Float, Float16, Int32
from torch import Tensor

from mason.errors import RunError
from mason.layers.native.library import half, library, serves, widens
from mason.layers.native.rows import most_rows

BLOCK, GROUP = 16, 32
"""Outputs that lie together, and inputs that share a step."""


def multiplies_int4(x: Tensor, packed: Tensor) -> bool:
    """Whether ``multiply_int4`` is the fastest way for ``x`` [..., I]."""
    if not serves(x):  # in this order: tracers guard sizes
        return False
    return 0 < x.numel() <= most_rows(packed) * x.shape[-1]


def multiply_int4(
    x: Float[Tensor, "*b I"],
    packed: Int32[Tensor, "B G 4 16"],
    grid: Float16[Tensor, "B G 2 16"],
    bias: Tensor | None,
    outputs: int,
) -> Float[Tensor, "*b O"]:
    """``x`` times weights in 4 bits, plus ``bias``; see ``multiplies_int4``.

    Args:
        x: fp32 or bf16; sums are fp32.
        packed: Eight codes each, the first lowest.
        grid: What a code is worth: times the first, plus the second.
        bias: In the dtype of ``x``.
        outputs: O; blocks are filled up.

    Raises:
        RunError: There is no memory left.
    """
    found = library()
    assert found is not None, "asked before"
    y = x.new_empty((*x.shape[:-1], outputs))
    failed = found.calls.mason_product_int4(
        packed.data_ptr(),
        grid.data_ptr(),
        None if bias is None else bias.data_ptr(),
        x.data_ptr(),
        y.data_ptr(),
        half(x),
        x.numel() // x.shape[-1],
        x.shape[-1],
        outputs,
    )
    if failed:
        raise RunError("There is no memory left for a product; close other programs.")
    return y


def dequantise_int4(
    packed: Int32[Tensor, "B G 4 16"],
    grid: Float16[Tensor, "B G 2 16"],
    shape: tuple[int, int],
    like: Tensor,
) -> Float[Tensor, "O I"]:
    """Weights of this shape as numbers in the dtype of ``like``."""
    outputs, inputs = shape
    if widens(like):
        found = library()
        assert found is not None, "asked before"
        room = like.new_empty(shape)
        where = packed.data_ptr(), grid.data_ptr(), room.data_ptr()
        found.calls.mason_dequantise_int4(*where, half(like), inputs, outputs)
        return room
    codes = packed[..., None] >> torch.arange(0, 32, 4, device=packed.device) & 15
    steps, lows = grid.float().unbind(2)
    # [blocks, groups, 4, 16, 8] to [blocks, 16, groups, 32]
    values = codes.permute(0, 3, 1, 2, 4).flatten(3).float()
    values = values * steps.transpose(1, 2)[..., None] + lows.transpose(1, 2)[..., None]
    wide = values.flatten(2).flatten(0, 1)[:outputs, :inputs]
    return wide.to(like.dtype).contiguous()
