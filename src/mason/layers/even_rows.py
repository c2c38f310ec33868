"""Products of packed rows in bf16 on a CPU, over few different numbers of rows.

oneDNN writes code for each shape it has not met, 2 to 6 ms a product, and a packed batch seldom has
as many rows as an earlier one.
"""

from typing import Any

import torch
from torch import Tensor, nn

from mason.layers import native

_EVEN = 64
"""Rows are rounded up to a multiple of this."""


def compiled_by_shape(x: Tensor) -> bool:
    """Whether a product of these rows would be compiled for just their number."""
    if torch.compiler.is_compiling():
        return False
    if not (x.is_cpu and x.ndim == 2 and torch.is_autocast_enabled("cpu")):
        return False  # sizes are asked last: tracers guard what they were
    return x.shape[0] > _EVEN


def even_product(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """``x @ weight.T + bias`` in autocast's dtype, as autocast gives it."""
    dtype = torch.get_autocast_dtype("cpu")
    out: Tensor = _EvenProduct.apply(x, weight, bias, dtype)  # type: ignore[no-untyped-call]
    return out


class _EvenProduct(torch.autograd.Function):
    """Rows of zeros follow up to an even number.

    They are laid in the copy that changes the dtype anyway, and add nothing to any gradient.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, dtype: torch.dtype
    ) -> Any:
        rows, cast = even(x, dtype), weight.to(dtype)
        ctx.save_for_backward(rows if ctx.needs_input_grad[1] else None, cast)
        ctx.kinds = x.dtype, weight.dtype, None if bias is None else bias.dtype
        shift = None if bias is None else bias.to(dtype)
        return nn.functional.linear(rows, cast, shift)[: len(x)]

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        rows, weight = ctx.saved_tensors
        of_input, of_weight, of_bias = ctx.kinds
        (given,) = grads
        grad, wanted = even(given, weight.dtype), ctx.needs_input_grad
        return (
            (grad @ weight)[: len(given)].to(of_input) if wanted[0] else None,
            _grad_of_weight(grad, rows).to(of_weight) if wanted[1] else None,
            grad.sum(0).to(of_bias) if wanted[2] else None,
            None,
        )


def _grad_of_weight(grad: Tensor, rows: Tensor) -> Tensor:
    # Where gradients are derived once more, PyTorch has to know how they were made.
    if torch.is_grad_enabled() or not native.has_weight_gradient(grad, rows):
        return grad.T @ rows
    return native.weight_gradient(grad, rows)


def even_number(rows: int) -> int:
    """How many rows a product is made of, that many given."""
    return rows + -rows % _EVEN


def even(x: Tensor, dtype: torch.dtype) -> Tensor:
    """Rows [T, D] in a dtype, followed by rows of zeros up to an even number of them."""
    number = even_number(len(x))
    if number == len(x):
        return x.to(dtype)
    rows = torch.empty((number, x.shape[1]), dtype=dtype, device=x.device)
    rows[: len(x)].copy_(x)
    rows[len(x) :].zero_()
    return rows
