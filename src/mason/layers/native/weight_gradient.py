"""The gradient of a weight: its rows' gradients and inputs, summed in fp32 by tiles."""

import ctypes

import torch
from jaxtyping import Float
from torch import Tensor

from mason.errors import RunError
from mason.layers.native.library import foretell, has_values, library


class _WeightGradient(ctypes.Structure):
    """``WeightGradient`` of kernels.h."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("grad", "x", "out")),
        *((name, ctypes.c_int64) for name in ("rows", "outputs", "inputs")),
        ("add", ctypes.c_int),
    )


def has_weight_gradient(grad: Tensor, x: Tensor) -> bool:
    """Whether ``weight_gradient`` takes these rows: bf16 on a processor with tiles of it."""
    found = library()
    return (
        found is not None
        and found.has_tiles
        and grad.is_cpu
        and grad.dtype is x.dtype is torch.bfloat16
        and not torch.compiler.is_compiling()
    )


def weight_gradient(
    grad: Float[Tensor, "T O"], x: Float[Tensor, "T I"], out: Float[Tensor, "O I"] | None = None
) -> Float[Tensor, "O I"]:
    """``grad.T @ x`` in fp32.

    Args:
        grad: Of each row's outputs.
        x: Each row's inputs.
        out: What the product is added to; None: it is made.

    Raises:
        RunError: There is no memory left.
    """
    add = out is not None
    if out is None:
        out = grad.new_empty(grad.shape[1], x.shape[1], dtype=torch.float32)
    if not has_values(grad, x, out):
        foretell(grad, 2 * x.numel() * grad.shape[1])
        return out
    found, grad, x = library(), grad.contiguous(), x.contiguous()
    assert found is not None, "asked before"
    where = grad.data_ptr(), x.data_ptr(), out.data_ptr()
    job = _WeightGradient(*where, len(x), grad.shape[1], x.shape[1], add)
    if found.calls.mason_weight_gradient(ctypes.byref(job)):
        raise RunError("There is no memory left for a gradient; close other programs.")
    return out
