"""Linear maps: every product with a weight is one of these modules."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

_EVEN = 64
"""Rows are rounded up to a multiple of this where a product is compiled for its shape."""


class Linear(nn.Linear):
    """PyTorch's own, but bf16 products of packed rows on a CPU meet few different shapes."""

    def forward(self, input: Tensor) -> Tensor:
        """Rows [..., I] to rows [..., O]."""
        if _compiled_by_shape(input):
            out: Tensor = _EvenProduct.apply(  # type: ignore[no-untyped-call]
                input, self.weight, self.bias, torch.get_autocast_dtype("cpu")
            )
            return out
        return super().forward(input)


def _compiled_by_shape(x: Tensor) -> bool:
    """Whether oneDNN would write code for just this number of rows: 2 to 6 ms a product."""
    return x.is_cpu and x.ndim == 2 and x.shape[0] > _EVEN and torch.is_autocast_enabled("cpu")


class _EvenProduct(torch.autograd.Function):
    """``x @ weight.T + bias`` in autocast's dtype, over rows of zeros up to an even number.

    Packed batches seldom have as many rows as an earlier one. The zeros are laid in the copy that
    changes the dtype anyway, and add nothing to any gradient.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, dtype: torch.dtype
    ) -> Any:
        rows, cast = _even(x, dtype), weight.to(dtype)
        ctx.save_for_backward(rows, cast)
        ctx.kinds = x.dtype, weight.dtype, None if bias is None else bias.dtype
        shift = None if bias is None else bias.to(dtype)
        return nn.functional.linear(rows, cast, shift)[: len(x)]

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        rows, weight = ctx.saved_tensors
        of_input, of_weight, of_bias = ctx.kinds
        (given,) = grads
        grad, wanted = _even(given, weight.dtype), ctx.needs_input_grad
        return (
            (grad @ weight)[: len(given)].to(of_input) if wanted[0] else None,
            (grad.T @ rows).to(of_weight) if wanted[1] else None,
            grad.sum(0).to(of_bias) if wanted[2] else None,
            None,
        )


def _even(x: Tensor, dtype: torch.dtype) -> Tensor:
    spare = -len(x) % _EVEN
    if not spare:
        return x.to(dtype)
    rows = torch.empty((len(x) + spare, x.shape[1]), dtype=dtype, device=x.device)
    rows[: len(x)].copy_(x)
    rows[len(x) :].zero_()
    return rows


class FusedLinear(Linear):
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
