"""Rows into the slots of attention's groups and back, with choices for gradients.

Indexing's own gradient adds rows into a field of zeros, once a group and layer. Here a
row has one slot of its own, so the gradient of a choice is a choice as well.
"""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from mason.layers.layout import Layout, Stored


class Slots:
    """Where the rows of a layout lie in the slots of groups, one group after another.

    Args:
        layout: The rows.
        members: The sequences of each group.
    """

    def __init__(self, layout: Layout, members: Sequence[Sequence[int]]) -> None:
        lengths = [[layout.lengths[i] for i in group] for group in members]
        self.shapes = [(len(group), max(group)) for group in lengths]
        self.in_order = [i for group in members for i in group] == list(range(len(layout)))
        self.in_order &= all(min(group) == max(group) for group in lengths)
        """Whether rows and slots are the same, so that nothing moves."""
        if self.in_order:
            return
        rows, filled = zip(*(_placed(layout, group) for group in members), strict=True)
        self.rows, held = torch.cat(rows).to(layout.device), torch.cat(filled).to(layout.device)
        self.own = torch.empty(layout.num_rows, dtype=torch.long, device=layout.device)
        """The slot of each row."""
        self.own[self.rows[held]] = held.nonzero().squeeze(1)
        self.empty = (~held).nonzero().squeeze(1)

    def lay(self, rows: Float[Tensor, "T h d"]) -> list[Float[Tensor, "_ _ h d"]]:
        """The rows in the slots of each group."""
        if not self.in_order:
            rows = _Lay.apply(rows, self.rows, self.own)  # type: ignore[no-untyped-call]
        parts = rows.split([b * n for b, n in self.shapes])
        return [part.unflatten(0, shape) for part, shape in zip(parts, self.shapes, strict=True)]

    def pick_up(self, groups: Sequence[Float[Tensor, "_ _ h d"]]) -> Float[Tensor, "T h d"]:
        """The rows back from their slots."""
        flat = [group.flatten(0, 1) for group in groups]
        rows = flat[0] if len(flat) == 1 else torch.cat(flat)
        if not self.in_order:
            rows = _PickUp.apply(rows, self.own, self.rows, self.empty)  # type: ignore[no-untyped-call]
        return rows


class StoredSlots:
    """Where the sequences of groups lie in a cache: views of it where they lie side by side.

    Args:
        layout: The sequences in the cache.
        members: The sequences of each group.
    """

    def __init__(self, layout: Stored, members: Sequence[Sequence[int]]) -> None:
        self.longest = [max(layout.lengths[i] for i in group) for group in members]
        self.places = [_places([layout.places[i] for i in group], layout) for group in members]

    def lay(self, store: Float[Tensor, "N C h d"]) -> list[Float[Tensor, "_ _ h d"]]:
        """The slots of each group; what lies in those beyond a sequence's end is not hidden."""
        return [
            store[at, :longest] if isinstance(at, slice) else store[:, :longest].index_select(0, at)
            for at, longest in zip(self.places, self.longest, strict=True)
        ]


def _places(places: list[int], layout: Layout) -> slice | Tensor:
    first = places[0]
    if places == list(range(first, first + len(places))):
        return slice(first, first + len(places))
    return torch.tensor(places, device=layout.device)


def _placed(layout: Layout, members: Sequence[int]) -> tuple[Tensor, Tensor]:
    """The row in each slot of a group, and whether it is the slot's own; else it is another's."""
    lengths = torch.tensor([layout.lengths[i] for i in members])[:, None]
    starts = torch.tensor([layout.starts[i] for i in members])[:, None]
    slots = torch.arange(int(lengths.max()))
    filled = slots < lengths
    return torch.where(filled, starts + slots, starts.min()).flatten(), filled.flatten()


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
