"""Averages of the weights over a run: what is evaluated and kept in their place."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

Named = Iterable[tuple[str, nn.Parameter]]
_UPDATES = "updates"


class Average:
    """Exponential moving average of the weights (Polyak & Juditsky 1992).

    Early on the average forgets faster, ``min(decay, (1 + t) / (10 + t))`` after ``t``
    updates, so that a short run is not averaged with its beginning.

    Args:
        named: The model's parameters by name; frozen ones are left out.
        decay: Share of the average that stays at each update, from 0 to 1.
    """

    def __init__(self, named: Named, decay: float) -> None:
        self.decay, self._updates = decay, 0
        self._parameters = {name: p for name, p in named if p.requires_grad}
        self._tensors = {name: p.detach().clone() for name, p in self._parameters.items()}

    @torch.no_grad()
    def update(self) -> None:
        """Take the weights of now in; call after each step that was not refused."""
        self._updates += 1
        keep = min(self.decay, (1 + self._updates) / (10 + self._updates))
        torch._foreach_lerp_(
            list(self._tensors.values()), list(self._parameters.values()), 1 - keep
        )

    def averages(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Each parameter with its average."""
        for name, parameter in self._parameters.items():
            yield parameter, self._tensors[name]

    def tensors(self) -> dict[str, Tensor]:
        """The state: each parameter's average by its name, and ``updates``."""
        return self._tensors | {_UPDATES: torch.tensor(self._updates)}

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """The inverse of ``tensors``."""
        self._updates = int(tensors[_UPDATES])
        for name, average in self._tensors.items():
            average.copy_(tensors[name])


@contextmanager
def swapped(averages: Iterable[tuple[Tensor, Tensor]]) -> Iterator[None]:
    """Parameters with their averages' values, as long as the block runs.

    Takes ``Average.averages()`` or ``ScheduleFree.averages()``. The parameters come back bit
    for bit, from a copy.
    """
    aside = []
    try:
        for parameter, average in averages:
            aside.append((parameter, parameter.detach().clone()))
            parameter.detach().copy_(average)
        yield
    finally:
        for parameter, value in aside:
            parameter.detach().copy_(value)
