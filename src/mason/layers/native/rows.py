"""Kernels that work on each row alone: products, norms, gates."""

import ctypes
import sys

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mason.errors import RunError
from mason.layers.native.library import half, library, serves, widens
from mason.runtime import cpu_has_bf16

FEW = 16
"""Rows up to which the kernels are faster than PyTorch's products of matrices."""
MOST = 64
"""The same for 8 and 4 bits, which PyTorch's products want widened first."""
_FEW_FAST = 4
"""The same for bf16 where the processor multiplies it itself."""
_TILE = 64
"""Inputs that tiles take at once."""
KINDS = {torch.float32: 0, torch.bfloat16: 1, torch.int8: 2}
"""What the kernels call the dtypes of weights."""


def few(x: Tensor) -> bool:
    """Whether ``x`` [..., D] is for the kernels: a few rows that they can read."""
    return serves(x) and _at_most(FEW, x)  # in this order: tracers guard sizes


def _at_most(rows: int, x: Tensor) -> bool:
    return x.numel() <= rows * x.shape[-1]


def multiplies(x: Tensor, weight: Tensor) -> bool:
    """Whether ``multiply`` is the fastest way from ``x`` through ``weight``."""
    if weight.dtype not in (x.dtype, torch.int8) or not serves(x):
        return False
    return _at_most(most_rows(weight), x) and weight.is_contiguous()


def most_rows(weight: Tensor) -> int:
    """Rows up to which the kernels are the fastest way through a weight."""
    if by_tiles(weight):
        return sys.maxsize
    if weight.dtype in (torch.int8, torch.int32):
        return MOST
    return _FEW_FAST if weight.dtype is torch.bfloat16 and cpu_has_bf16() else FEW


def by_tiles(weight: Tensor) -> bool:
    """Whether the kernels multiply a weight by tiles, many rows as well as few."""
    found = library()
    if found is None or not found.has_tiles:
        return False
    return weight.dtype in (torch.bfloat16, torch.int8) and weight.shape[1] % _TILE == 0


def multiply(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, scales: Tensor | None = None
) -> Tensor:
    """``x`` [..., I] times ``weight`` [O, I] transposed, plus ``bias``; see ``multiplies``.

    Args:
        x: fp32 or bf16; sums are fp32.
        weight: In the dtype of ``x``, or int8.
        bias: In the dtype of ``x``.
        scales: What a number of each output's int8 weights is worth [O].

    Raises:
        RunError: There is no memory left.
    """
    outputs, inputs = weight.shape
    y = x.new_empty((*x.shape[:-1], outputs))
    failed = _calls().mason_product(
        KINDS[weight.dtype],
        weight.data_ptr(),
        None if scales is None else scales.data_ptr(),
        None if bias is None else bias.data_ptr(),
        x.data_ptr(),
        y.data_ptr(),
        half(x),
        x.numel() // inputs,
        inputs,
        outputs,
    )
    if failed:
        raise RunError("There is no memory left for a product; close other programs.")
    return y


def widen(weight: Tensor, scales: Tensor, like: Tensor) -> Tensor:
    """Int8 weights [O, I] as numbers in the dtype of ``like``."""
    if not widens(like):
        return (weight.to(torch.float32) * scales[:, None]).to(like.dtype)
    wide = like.new_empty(weight.shape)
    _calls().mason_dequantise(
        weight.data_ptr(), scales.data_ptr(), wide.data_ptr(), half(like), *weight.shape[::-1]
    )
    return wide


def norm(x: Tensor, weight: Tensor, epsilon: float, offset: float) -> Tensor:
    """Root-mean-square normalisation of rows [..., D] for which ``few`` holds."""
    y, width = torch.empty_like(x), x.shape[-1]
    _calls().mason_norm(
        x.data_ptr(),
        weight.data_ptr(),
        y.data_ptr(),
        half(x),
        x.numel() // width,
        width,
        epsilon,
        offset,
    )
    return y


def gate(x: Tensor) -> Tensor:
    """``silu(first) * second`` of the two halves of rows [..., 2 D] for which ``few`` holds."""
    width = x.shape[-1] // 2
    y = x.new_empty((*x.shape[:-1], width))
    rows = x.numel() // (2 * width)
    _calls().mason_gate(x.data_ptr(), y.data_ptr(), half(x), rows, width)
    return y


def likeliest(logits: Float[Tensor, "R V"]) -> tuple[Int[Tensor, "R"], Float[Tensor, "R"]]:
    """The first of the likeliest tokens of each row, and its log-probability.

    Args:
        logits: In fp32; ``serves`` holds for them.
    """
    rows, width = logits.shape
    tokens, likely = logits.new_empty(rows, dtype=torch.long), logits.new_empty(rows)
    where = tokens.data_ptr(), likely.data_ptr()
    _calls().mason_likeliest(logits.data_ptr(), rows, width, *where)
    return tokens, likely


def _calls() -> ctypes.CDLL:
    found = library()
    assert found is not None, "asked before"
    return found.calls
