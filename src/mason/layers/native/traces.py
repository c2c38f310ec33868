"""The slope of a weight from its rows' slopes and inputs, summed in fp32 by a processor's tiles."""

import ctypes

import torch
from jaxtyping import Float
from torch import Tensor

from mason.errors import RunError
from mason.layers.native.library import foretell, has_values, library


class _Trace(ctypes.Structure):
    """``Trace`` of kernels.h."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("slope", "x", "out")),
        *((name, ctypes.c_int64) for name in ("rows", "outputs", "inputs")),
        ("add", ctypes.c_int),
    )


def traces(slope: Tensor, x: Tensor) -> bool:
    """Whether ``trace`` takes these rows: bf16 on a processor with tiles of it."""
    found = library()
    return (
        found is not None
        and found.has_tiles
        and slope.is_cpu
        and slope.dtype is x.dtype is torch.bfloat16
        and not torch.compiler.is_compiling()
    )


def trace(
    slope: Float[Tensor, "T O"], x: Float[Tensor, "T I"], out: Float[Tensor, "O I"] | None = None
) -> Float[Tensor, "O I"]:
    """``slope.T @ x`` in fp32.

    Args:
        slope: Of each row's outputs.
        x: Each row's inputs.
        out: What the product is added to; None: it is made.

    Raises:
        RunError: There is no memory left.
    """
    add = out is not None
    if out is None:
        out = slope.new_empty(slope.shape[1], x.shape[1], dtype=torch.float32)
    if not has_values(slope, x, out):
        foretell(slope, 2 * x.numel() * slope.shape[1])
        return out
    found, slope, x = library(), slope.contiguous(), x.contiguous()
    assert found is not None, "asked before"
    where = slope.data_ptr(), x.data_ptr(), out.data_ptr()
    job = _Trace(*where, len(x), slope.shape[1], x.shape[1], add)
    if found.calls.mason_trace(ctypes.byref(job)):
        raise RunError("There is no memory left for a gradient; close other programs.")
    return out
