"""Rows into the slots of attention's groups and back, with choices for gradients.

Indexing's own gradient adds rows into a field of zeros, once a group and layer. Here a
row has one slot of its own, so the gradient of a choice is a choice as well.
"""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mason.layers.layout import Layout


class Slots:
    """Where the rows of a layout lie in the slots of groups, one group after another.

    Args:
        layout: The rows.
        members: The sequences of each group.
        rows: The row in each slot [B, L] of each group; an empty slot has another's row.
    """

    def __init__(
        self,
        layout: Layout,
        members: Sequence[Sequence[int]],
        rows: Sequence[Int[Tensor, "_ _"]],
    ) -> None:
        self.shapes = [group.shape for group in rows]
        self.rows = torch.cat([group.flatten() for group in rows])
        self.packed = layout.packed
        filled = torch.cat(
            [
                _filled(layout, group, slots.shape[1])
                for group, slots in zip(members, rows, strict=True)
            ]
        ).to(layout.device)
        self.own = torch.empty(layout.num_rows, dtype=torch.long, device=layout.device)
        """The slot of each row."""
        if self.packed:
            self.own[self.rows[filled]] = filled.nonzero().squeeze(1)
        self.empty = (~filled).nonzero().squeeze(1)

    def lay(self, rows: Float[Tensor, "T h d"]) -> list[Float[Tensor, "_ _ h d"]]:
        """The rows in the slots of each group."""
        if self.packed:
            laid = _Lay.apply(rows, self.rows, self.own)  # type: ignore[no-untyped-call]
        else:  # a cache: most of its rows have no slot
            laid = rows.index_select(0, self.rows)
        parts = laid.split([b * n for b, n in self.shapes])
        return [part.unflatten(0, shape) for part, shape in zip(parts, self.shapes, strict=True)]

    def pick_up(self, groups: Sequence[Float[Tensor, "_ _ h d"]]) -> Float[Tensor, "T h d"]:
        """The rows back from their slots."""
        laid = torch.cat([group.flatten(0, 1) for group in groups])
        rows: Tensor = _PickUp.apply(laid, self.own, self.rows, self.empty)  # type: ignore[no-untyped-call]
        return rows


class _Lay(torch.autograd.Function):
    """``rows[chosen]``.

    The gradient of an empty slot is zero, and is not looked at: no pair with its key has
    weight, and nobody picks its query up.
    """

    @staticmethod
    def forward(ctx: Any, rows: Tensor, chosen: Tensor, own: Tensor) -> Tensor:
        ctx.save_for_backward(own)
        return rows.index_select(0, chosen)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        (own,) = ctx.saved_tensors
        return grad.index_select(0, own), None, None


class _PickUp(torch.autograd.Function):
    """``laid[own]``; the gradient of an empty slot is zero."""

    @staticmethod
    def forward(ctx: Any, laid: Tensor, own: Tensor, chosen: Tensor, empty: Tensor) -> Tensor:
        ctx.save_for_backward(chosen, empty)
        return laid.index_select(0, own)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:
        chosen, empty = ctx.saved_tensors
        return grad.index_select(0, chosen).index_fill(0, empty, 0), None, None, None


def _filled(layout: Layout, members: Sequence[int], num_slots: int) -> Tensor:
    lengths = torch.tensor([layout.lengths[i] for i in members])
    return (torch.arange(num_slots) < lengths[:, None]).flatten()
