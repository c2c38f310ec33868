"""Virtual tokens: rows before every text that learn while all weights stay as they are.

In a decoder they see one another alone, so that their keys and values are the same before every
text: they are computed once a pass, and no row of a batch is theirs.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from mason.layers.adapters.adapted import AdapterSpec

KeysValues = list[tuple[Tensor, Tensor]]
"""Keys and values [V, g, d] of each layer."""
Remember = Callable[[Tensor], KeysValues]
"""What the layers keep of embedded rows."""


class Before(NamedTuple):
    """One layer's virtual rows, and the order of these and the rows that are read.

    Attributes:
        key: Of the virtual rows [V, g, d].
        value: The same.
        order: Of every row that is looked at, counted from the first virtual one.
    """

    key: Tensor
    value: Tensor
    order: Int[Tensor, "S"]

    def joined(self, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values with the virtual ones before each text."""
        own = (self.key, key), (self.value, value)
        keys, values = (torch.cat([v.to(r.dtype), r]).index_select(0, self.order) for v, r in own)
        return keys, values


class Front(nn.Module, ABC):
    """Virtual tokens before every text.

    Args:
        spec: What it is made of.
        values: Where it begins, a row a virtual token.
    """

    merges = False
    """No weight can say what they do."""

    def __init__(self, spec: AdapterSpec, values: Float[Tensor, "V N"]) -> None:
        super().__init__()
        self.spec, self.num_rows = spec, len(values)
        self.values = nn.Parameter(values.detach().clone())

    @abstractmethod
    def keys_values(self, remember: Remember) -> KeysValues:
        """What the layers look at."""


class Prompt(Front):
    """Prompt tuning (Lester et al. 2021, arXiv:2104.08691): vectors in the place of tokens'."""

    def keys_values(self, remember: Remember) -> KeysValues:
        """What the layers keep when they read the vectors."""
        return remember(self.values)


class Prefix(Front):
    """Prefix tuning (Li & Liang 2021, arXiv:2101.00190): keys and values of every layer.

    Args:
        spec: What it is made of.
        values: A layer's keys, then its values, head after head; one layer after another.
        heads: Key heads of a layer, and the width of each.
    """

    def __init__(
        self, spec: AdapterSpec, values: Float[Tensor, "V N"], heads: tuple[int, int]
    ) -> None:
        super().__init__(spec, values)
        self.heads = heads

    def keys_values(self, remember: Remember) -> KeysValues:
        """Its own."""
        parts = self.values.view(self.num_rows, -1, 2, *self.heads).unbind(1)
        return [(part[:, 0], part[:, 1]) for part in parts]


class Fronts(nn.Module):
    """A stack's virtual tokens, each kind under a name, of which one or none is in force."""

    def __init__(self) -> None:
        super().__init__()
        self.adapters = nn.ModuleDict()
        self.active: str | None = None

    @property
    def chosen(self) -> Front | None:
        """What is in force."""
        found = self.active in self.adapters if self.active is not None else False
        return self.adapters[self.active] if found else None  # type: ignore[index, return-value]


def order_of(virtual: Sequence[int], lengths: Sequence[int], num_rows: int) -> Int[Tensor, "S"]:
    """The order of virtual rows and those that are read.

    Args:
        virtual: Virtual rows before each text: all, or none where it has them already.
        lengths: Rows of each text that are read.
        num_rows: Virtual rows there are.
    """
    order: list[int] = []
    start = num_rows
    for before, length in zip(virtual, lengths, strict=True):
        order += [*range(before), *range(start, start + length)]
        start += length
    return torch.tensor(order)
