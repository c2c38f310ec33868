"""Where N sequences lie in one flat run of rows: nothing is padded."""

from collections.abc import Sequence
from functools import cached_property

import torch
from jaxtyping import Int
from torch import Tensor


class Layout:
    """N sequences in a flat run of T rows.

    Args:
        lengths: Rows of each sequence, each at least 1.
        device: Where index tensors live.
        past: Rows of each sequence that came before these ones (cached decoding), so
            that positions go on counting; None: all zero.
    """

    def __init__(
        self,
        lengths: Sequence[int],
        *,
        device: torch.device | str = "cpu",
        past: Sequence[int] | None = None,
    ) -> None:
        assert len(lengths) > 0 and min(lengths) > 0, "a sequence needs at least one row"
        self.lengths = list(lengths)
        self.device = torch.device(device)
        self.past = list(past) if past is not None else [0] * len(self.lengths)

    def __len__(self) -> int:
        return len(self.lengths)

    @cached_property
    def starts(self) -> list[int]:
        """First row of each sequence."""
        starts, total = [], 0
        for length in self.lengths:
            starts.append(total)
            total += length
        return starts

    @property
    def num_rows(self) -> int:
        """T: rows of all sequences together."""
        return sum(self.lengths)

    @cached_property
    def offsets(self) -> Int[Tensor, "bounds"]:
        """Cumulative lengths from 0 to T, N + 1 of them, as varlen kernels take them."""
        bounds = torch.tensor([0, *self.lengths]).cumsum(0)
        return bounds.to(self.device)

    @cached_property
    def positions(self) -> Int[Tensor, "T"]:
        """Position of each row within its sequence, the past counted."""
        runs = [torch.arange(p, p + n) for p, n in zip(self.past, self.lengths, strict=True)]
        return torch.cat(runs).to(self.device)

    @cached_property
    def sequences(self) -> Int[Tensor, "T"]:
        """Number of the sequence each row belongs to."""
        numbers = torch.arange(len(self))
        return numbers.repeat_interleave(torch.tensor(self.lengths)).to(self.device)

    @cached_property
    def first(self) -> Int[Tensor, "N"]:
        """First row of each sequence."""
        return torch.tensor(self.starts, device=self.device)

    @cached_property
    def last(self) -> Int[Tensor, "N"]:
        """Last row of each sequence."""
        ends = [start + n - 1 for start, n in zip(self.starts, self.lengths, strict=True)]
        return torch.tensor(ends, device=self.device)


class Stored(Layout):
    """N sequences at the front of rows of a cache [rows, capacity].

    Args:
        lengths: What each sequence has in its row.
        places: The row of each sequence.
        device: Where index tensors live.
    """

    def __init__(
        self, lengths: Sequence[int], places: Sequence[int], *, device: torch.device | str = "cpu"
    ) -> None:
        super().__init__(lengths, device=device)
        self.places = list(places)
