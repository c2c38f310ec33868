"""Keys and values kept from earlier rows, so that decoding looks back for free."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from mason.layers.layout import Layout


class LayerCache:
    """One layer's keys and values: N sequences of up to ``capacity`` rows each."""

    def __init__(self, cache: "Cache") -> None:
        self._cache = cache
        self._keys: Tensor | None = None
        self._values: Tensor | None = None

    def extend(
        self, key: Float[Tensor, "T g d"] | None, value: Float[Tensor, "T g d"] | None
    ) -> tuple[Float[Tensor, "C g d"], Float[Tensor, "C g d"]]:
        """Store new rows (None: nothing new) and return all rows, new ones included."""
        if key is not None and value is not None:
            if self._keys is None or self._values is None:
                shape = (self._cache.num_rows, *key.shape[1:])
                self._keys, self._values = key.new_zeros(shape), value.new_zeros(shape)
            self._keys[self._cache.new_rows] = key
            self._values[self._cache.new_rows] = value
        assert self._keys is not None and self._values is not None, "the cache is empty"
        return self._keys, self._values


class Cache:
    """All layers' keys and values of N sequences, and how far each has come.

    Args:
        num_layers: Layers that keep something here.
        num_sequences: N.
        capacity: Most rows a sequence may have.
    """

    def __init__(self, num_layers: int, num_sequences: int, capacity: int) -> None:
        self.capacity, self.num_rows = capacity, num_sequences * capacity
        self.lengths = [0] * num_sequences
        self.starts = [i * capacity for i in range(num_sequences)]
        self.layers = [LayerCache(self) for _ in range(num_layers)]
        self.new_rows = torch.empty(0, dtype=torch.long)

    def advance(self, lengths: Sequence[int], device: torch.device) -> tuple[Layout, Layout]:
        """Make room for ``lengths`` new rows; return the layouts of new and of all rows."""
        assert len(lengths) == len(self.lengths), "one length a sequence"
        new = Layout(lengths, device=device, past=self.lengths)
        self.lengths = [a + b for a, b in zip(self.lengths, lengths, strict=True)]
        assert max(self.lengths) <= self.capacity, "the cache is full"
        first = torch.tensor(self.starts, device=device)
        self.new_rows = first[new.sequences] + new.positions
        return new, Layout(self.lengths, device=device, starts=self.starts)

    def held(self, source: Layout, *, fill: bool) -> Layout:
        """The layout of the encoder's rows in a cross-attention cache.

        Args:
            source: Where the encoder's sequences lie; read only when they are stored.
            fill: True on the first call, which stores them.
        """
        if fill:
            return self.advance(source.lengths, source.device)[1]
        return Layout(self.lengths, device=source.device, starts=self.starts)

    def keep(self, sequences: Sequence[int]) -> None:
        """Go on with these sequences only, numbered from 0 in the order given."""
        self.lengths = [self.lengths[i] for i in sequences]
        self.starts = [self.starts[i] for i in sequences]
