"""Products with a weight that does not learn, and perhaps a low-rank change that does.

The way back needs no activation for the weight itself.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from mason.layers.even_rows import compiled_by_shape, even

Slices = Sequence[slice]
"""Output rows that a change is about, one after another."""


@runtime_checkable
class Held(Protocol):
    """A linear map, however its weight is held."""

    bias: Any

    def widened(self, like: Tensor) -> Tensor:
        """The weight [O, I] as numbers in the dtype of ``like``."""


class LowRank(NamedTuple):
    """``factor * up @ down``, added to the weight of some output rows.

    Attributes:
        down: As many times R rows as there are slices [N R, I].
        up: The rows of all slices [sum of widths, R].
        factor: Of the product.
        slices: Which output rows.
    """

    down: Tensor
    up: Tensor
    factor: float
    slices: Slices

    def pairs(self) -> list[tuple[slice, slice, slice]]:
        """For each slice: its output rows, its rows of ``up`` and its rows of ``down``."""
        rank, start, found = self.up.shape[1], 0, []
        for number, rows in enumerate(self.slices):
            width = rows.stop - rows.start
            inner = slice(number * rank, (number + 1) * rank)
            found.append((rows, slice(start, start + width), inner))
            start += width
        return found


def frozen_product(x: Tensor, held: Held, change: LowRank | None = None) -> Tensor:
    """``x`` [..., I] through a frozen map, and through what learns beside it.

    Nothing is kept for the way back but ``x`` in the dtype of the product, and that only where
    there is a change: the weight is widened again. Under autocast the product has its dtype.
    """
    device = x.device.type
    autocast = torch.is_autocast_enabled(device)
    dtype = torch.get_autocast_dtype(device) if autocast else x.dtype
    down, up = (None, None) if change is None else (change.down, change.up)
    plan = _Plan(held, change, dtype, compiled_by_shape(x))
    out: Tensor = _FrozenProduct.apply(x, down, up, plan)  # type: ignore[no-untyped-call]
    return out


class _Plan(NamedTuple):
    held: Held
    change: LowRank | None
    dtype: torch.dtype
    even: bool

    def rows(self, x: Tensor) -> Tensor:
        flat = x.reshape(-1, x.shape[-1])
        return even(flat, self.dtype) if self.even else flat.to(self.dtype)


class _FrozenProduct(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, down: Tensor | None, up: Tensor | None, plan: _Plan) -> Tensor:
        ctx.plan, ctx.shape, ctx.kind = plan, x.shape, x.dtype
        with torch.autocast(x.device.type, enabled=False):
            rows = plan.rows(x)
            bias = None if plan.held.bias is None else plan.held.bias.to(plan.dtype)
            out = nn.functional.linear(rows, plan.held.widened(rows), bias)
            if plan.change is None or down is None or up is None:
                ctx.save_for_backward(None, None, None, None)
            else:
                inner = rows @ down.to(plan.dtype).T
                for of_out, of_up, of_down in plan.change.pairs():
                    lifted = inner[:, of_down] @ up[of_up].to(plan.dtype).T
                    out[:, of_out].add_(lifted, alpha=plan.change.factor)
                ctx.save_for_backward(rows, inner, down, up)
            return out[: x.numel() // x.shape[-1]].view(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        plan: _Plan = ctx.plan
        rows, inner, down, up = ctx.saved_tensors
        given = plan.rows(grads[0])
        of_x = of_down = of_up = None
        if ctx.needs_input_grad[0]:
            of_x = given @ plan.held.widened(given)
        if plan.change is not None:
            of_inner, of_up = torch.empty_like(inner), torch.empty_like(up)
            for rows_out, rows_up, rows_down in plan.change.pairs():
                part = given[:, rows_out] if len(plan.change.slices) > 1 else given
                of_inner[:, rows_down] = part @ up[rows_up].to(plan.dtype)
                of_up[rows_up] = (part.T @ inner[:, rows_down]).to(up.dtype)
            of_inner.mul_(plan.change.factor)
            of_up.mul_(plan.change.factor)
            of_down = (of_inner.T @ rows).to(down.dtype)
            if of_x is not None:
                of_x.addmm_(of_inner, down.to(plan.dtype))
        if of_x is not None:
            of_x = of_x[: grads[0].numel() // grads[0].shape[-1]].view(ctx.shape).to(ctx.kind)
        return of_x, of_down, of_up, None
