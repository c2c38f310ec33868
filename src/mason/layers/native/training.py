"""Norms, activations and losses as training asks for them: there and back, each in one pass."""

import ctypes
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mason.errors import RunError
from mason.layers.native.library import half, has_values, library

_KINDS = (torch.float32, torch.bfloat16)
_ACTIVATIONS = {"gelu": 0, "relu": 1, "gelu_tanh": 2, "silu": 3}
"""Activations by the numbers that the kernels have for them."""


class _NormPass(ctypes.Structure):
    """``NormPass`` of kernels.h."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("x", "weight", "bias", "y", "means", "scales")),
        *((name, ctypes.c_void_p) for name in ("grad", "of_x", "of_weight", "of_bias")),
        *((name, ctypes.c_int64) for name in ("rows", "width")),
        *((name, ctypes.c_int) for name in ("half", "to_half", "centred")),
        *((name, ctypes.c_float) for name in ("epsilon", "offset")),
    )


class _ActivationPass(ctypes.Structure):
    """``ActivationPass`` of kernels.h."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("x", "grad", "y")),
        *((name, ctypes.c_int64) for name in ("rows", "width")),
        *((name, ctypes.c_int) for name in ("half", "kind", "gated")),
    )


class _CrossEntropy(ctypes.Structure):
    """``CrossEntropy`` of kernels.h."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("logits", "bias", "targets", "losses")),
        *((name, ctypes.c_int64) for name in ("rows", "count")),
        ("smoothing", ctypes.c_float),
        ("grads", ctypes.c_int),
    )


@dataclass(frozen=True)
class Norm:
    """How rows are brought to the same scale.

    Attributes:
        centred: Each row's mean is taken off first.
        epsilon: Added to the mean square.
        offset: Added to the weight.
        dtype: Of what comes out.
    """

    centred: bool
    epsilon: float
    offset: float
    dtype: torch.dtype


def trains(x: Tensor, *others: Tensor | None) -> bool:
    """Whether the kernels take rows ``x`` that are learned from, beside weights in fp32."""
    return (
        library() is not None
        and x.requires_grad
        and x.is_cpu
        and x.dtype in _KINDS
        and all(other is None or other.dtype is torch.float32 for other in others)
        and not torch.compiler.is_compiling()
    )


def has_activation(x: Tensor, activation: str) -> bool:
    """Whether ``activation_forward`` knows the activation and takes the rows."""
    return activation in _ACTIVATIONS and trains(x)


def norm_forward(
    x: Float[Tensor, "*b D"],
    weight: Float[Tensor, "D"],
    bias: Float[Tensor, "D"] | None,
    norm: Norm,
) -> tuple[Float[Tensor, "*b D"], Float[Tensor, "rows"], Float[Tensor, "rows"]]:
    """Rows, normed; their means and scales."""
    x = x.contiguous()
    y = x.new_empty(x.shape, dtype=norm.dtype)
    means, scales = (x.new_empty(x.numel() // x.shape[-1], dtype=torch.float32) for _ in range(2))
    _run("mason_norm_forward", x, weight, bias, norm, y, means, scales)
    return y, means, scales


def norm_backward(
    grad: Float[Tensor, "*b D"],
    x: Float[Tensor, "*b D"],
    weight: Float[Tensor, "D"],
    bias: Float[Tensor, "D"] | None,
    means: Float[Tensor, "rows"],
    scales: Float[Tensor, "rows"],
    norm: Norm,
) -> tuple[Float[Tensor, "*b D"], Float[Tensor, "D"], Float[Tensor, "D"] | None]:
    """The gradients of rows, weight and bias.

    Raises:
        RunError: There is no memory left.
    """
    x, grad = x.contiguous(), grad.to(norm.dtype).contiguous()
    of_x, of_weight = x.new_empty(x.shape), weight.new_empty(weight.shape)
    of_bias = None if bias is None else bias.new_empty(bias.shape)
    told = x, weight, bias, norm, None, means, scales, grad, of_x, of_weight, of_bias
    if _run("mason_norm_backward", *told):
        raise RunError("There is no memory left for a norm; close other programs.")
    return of_x, of_weight, of_bias


def activation_forward(x: Tensor, activation: str, gated: bool) -> Tensor:
    """``activation(x)``; where gated, of the first half of each row, times its second."""
    x = x.contiguous()
    y = x.new_empty((*x.shape[:-1], x.shape[-1] // 2)) if gated else x.new_empty(x.shape)
    _activation(x, None, y, y.shape[-1], activation, gated)
    return y


def activation_backward(grad: Tensor, x: Tensor, activation: str, gated: bool) -> Tensor:
    """The gradient of what ``activation_forward`` was given."""
    x, grad = x.contiguous(), grad.to(x.dtype).contiguous()
    of_x = x.new_empty(x.shape)
    _activation(x, grad, of_x, grad.shape[-1], activation, gated)
    return of_x


def has_cross_entropy(logits: Tensor, bias: Tensor | None) -> bool:
    """Whether ``cross_entropy`` takes logits: bf16 on the CPU, a bias in fp32 if there is one."""
    return (
        library() is not None
        and logits.is_cpu
        and logits.dtype is torch.bfloat16
        and (bias is None or bias.dtype is torch.float32)
        and not torch.compiler.is_compiling()
    )


def cross_entropy(
    logits: Float[Tensor, "R V"],
    bias: Float[Tensor, "V"] | None,
    targets: Int[Tensor, "R"],
    smoothing: float,
    *,
    grads: bool,
) -> Float[Tensor, "R"]:
    """Each row's cross-entropy in fp32; the logits' gradients take their place if asked for.

    Args:
        logits: In one piece.
        bias: Added to each row first.
        targets: The right outputs.
        smoothing: Probability spread over all outputs.
        grads: Whether they are asked for; the bias' gradient is their sum.

    Raises:
        IndexError: A target is no output.
    """
    losses = logits.new_empty(len(logits), dtype=torch.float32)
    if has_values(logits, bias, targets):
        found, right = library(), targets.contiguous()
        assert found is not None, "asked before"
        if len(right) and not 0 <= int(right.min()) <= int(right.max()) < logits.shape[1]:
            # The kernel writes there: a tokenizer of more pieces than the model knows is not its.
            raise IndexError(f"a target is no output from 0 to {logits.shape[1] - 1}")
        where = logits.data_ptr(), None if bias is None else bias.data_ptr(), right.data_ptr()
        job = _CrossEntropy(*where, losses.data_ptr(), *logits.shape, smoothing, grads)
        found.calls.mason_cross_entropy(ctypes.byref(job))
    else:
        logits.copy_(logits)
    return losses


def _run(
    name: str,
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    norm: Norm,
    *tensors: Tensor | None,
) -> int:
    if not has_values(x, weight, bias, *tensors):
        made = next(t for t in reversed(tensors) if t is not None and t.shape == x.shape)
        made.copy_(x)  # what moves is foretold
        return 0
    found, width = library(), x.shape[-1]
    assert found is not None, "asked before"
    given = [None if t is None else t.data_ptr() for t in (x, weight, bias, *tensors)]
    given += [None] * (10 - len(given))
    kinds = half(x), int(norm.dtype is torch.bfloat16), norm.centred
    job = _NormPass(*given, x.numel() // width, width, *kinds, norm.epsilon, norm.offset)
    return int(getattr(found.calls, name)(ctypes.byref(job)) or 0)


def _activation(
    x: Tensor, grad: Tensor | None, y: Tensor, width: int, activation: str, gated: bool
) -> None:
    if not has_values(x, grad, y):
        y[..., :width].copy_(x[..., :width])
        return
    found = library()
    assert found is not None, "asked before"
    where = x.data_ptr(), None if grad is None else grad.data_ptr(), y.data_ptr()
    rows = x.numel() // x.shape[-1]
    job = _ActivationPass(*where, rows, width, half(x), _ACTIVATIONS[activation], gated)
    found.calls.mason_activation(ctypes.byref(job))
