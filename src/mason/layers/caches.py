"""Keys and values kept from earlier rows, so that decoding looks back for free."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from mason.layers.layout import Layout, Stored


class LayerCache:
    """One layer's keys and values: a row of ``capacity`` places for each sequence."""

    in_place = True
    """Whether ``places`` are the cache itself, so that a kernel may write to them."""

    def __init__(self, cache: "Cache") -> None:
        self._cache = cache
        self._keys: Tensor | None = None
        self._values: Tensor | None = None

    def extend(
        self, key: Float[Tensor, "T g d"] | None, value: Float[Tensor, "T g d"] | None
    ) -> tuple[Float[Tensor, "N C g d"], Float[Tensor, "N C g d"]]:
        """Store new rows (None: nothing new) and return all places, filled or not."""
        keys, values = self.places(None if key is None or value is None else (key, value))
        if key is not None and value is not None:
            keys.flatten(0, 1).index_copy_(0, self._cache.new_rows, key.to(keys.dtype))
            values.flatten(0, 1).index_copy_(0, self._cache.new_rows, value.to(values.dtype))
            return keys.to(key.dtype), values.to(value.dtype)
        return keys, values

    def places(
        self, like: tuple[Tensor, Tensor] | None
    ) -> tuple[Float[Tensor, "N C g d"], Float[Tensor, "N C g d"]]:
        """All places; the first time they are made for keys and values such as these."""
        if (self._keys is None or self._values is None) and like is not None:
            shape = (len(self._cache), self._cache.capacity, *like[0].shape[1:])
            dtype = self._cache.dtype
            self._keys, self._values = (part.new_zeros(shape, dtype=dtype) for part in like)
        assert self._keys is not None and self._values is not None, "the cache is empty"
        return self._keys, self._values

    def copy(self, other: "LayerCache", sequences: Sequence[int], longest: int) -> None:
        """Take over rows of another, of which no more than ``longest`` places are filled."""
        if other._keys is not None and other._values is not None:
            self._keys = _copied(other._keys, sequences, longest)
            self._values = _copied(other._values, sequences, longest)

    def keep(self, sequences: Sequence[int], longest: int) -> None:
        """Take over these rows, of which no more than ``longest`` places are filled."""
        if self._keys is not None and self._values is not None:
            self._keys = _chosen(self._keys, sequences, longest)
            self._values = _chosen(self._values, sequences, longest)


def _copied(rows: Tensor, sequences: Sequence[int], longest: int) -> Tensor:
    copy = rows.new_zeros(len(sequences), *rows.shape[1:])
    copy[:, :longest] = rows[sequences, :longest]
    return copy


def _chosen(rows: Tensor, sequences: Sequence[int], longest: int) -> Tensor:
    filled = rows[:, :longest].index_select(0, torch.tensor(sequences, device=rows.device))
    # Never uninitialised: what is hidden has weight 0, but 0 times NaN is NaN.
    fits = len(sequences) <= len(rows)
    kept = rows[: len(sequences)] if fits else rows.new_zeros(len(sequences), *rows.shape[1:])
    kept[:, :longest] = filled
    return kept


class Cache:
    """All layers' keys and values of N sequences, and how far each has come.

    Args:
        num_layers: Layers that keep something here.
        num_sequences: N.
        capacity: Most rows a sequence may have.
        dtype: What they are kept in; None: in what they are made in.
    """

    def __init__(
        self,
        num_layers: int,
        num_sequences: int,
        capacity: int,
        dtype: torch.dtype | None = None,
    ) -> None:
        self.capacity, self.dtype = capacity, dtype
        self.lengths = [0] * num_sequences
        self.active: Sequence[int] | None = None
        """The sequences that new rows belong to; None: all."""
        self.layers: Sequence[LayerCache] = [LayerCache(self) for _ in range(num_layers)]
        self.new_rows = torch.empty(0, dtype=torch.long)

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def past(self) -> list[int]:
        """Rows that each of the active sequences has."""
        places = range(len(self)) if self.active is None else self.active
        return [self.lengths[i] for i in places]

    def advance(self, lengths: Sequence[int], device: torch.device) -> tuple[Layout, Layout]:
        """Make room for ``lengths`` new rows; return the layouts of new and of all rows."""
        places = range(len(self)) if self.active is None else self.active
        assert len(lengths) == len(places), "one length a sequence"
        past = [self.lengths[i] for i in places]
        new = Layout(lengths, device=device, past=past)
        for i, length in zip(places, lengths, strict=True):
            self.lengths[i] += length
        assert max(self.lengths) <= self.capacity, "the cache is full"
        rows = [
            place * self.capacity + done + k
            for place, done, length in zip(places, past, lengths, strict=True)
            for k in range(length)
        ]
        self.new_rows = torch.tensor(rows, device=device)
        return new, self._stored(device)

    def held(self, source: Layout, *, fill: bool) -> Layout:
        """The layout of the encoder's rows in a cross-attention cache.

        Args:
            source: Where the encoder's sequences lie; read only when they are stored.
            fill: True on the first call, which stores them.
        """
        if fill:
            return self.advance(source.lengths, source.device)[1]
        return self._stored(source.device)

    def _stored(self, device: torch.device) -> Stored:
        places = range(len(self)) if self.active is None else self.active
        return Stored([self.lengths[i] for i in places], places, device=device)

    def fork(self, sequences: Sequence[int]) -> "Cache":
        """A copy with these sequences only, one perhaps many times; this one stays as it is."""
        twin = Cache(len(self.layers), len(sequences), self.capacity, self.dtype)
        twin.lengths = [self.lengths[i] for i in sequences]
        for mine, its in zip(self.layers, twin.layers, strict=True):
            its.copy(mine, sequences, max(self.lengths))
        return twin

    def keep(self, sequences: Sequence[int]) -> None:
        """Go on with these sequences, numbered from 0 in the order given; one may come twice."""
        if list(sequences) == list(range(len(self))):
            return
        self.lengths = [self.lengths[i] for i in sequences]
        for layer in self.layers:
            layer.keep(sequences, max(self.lengths))

    def forget(self, lengths: Sequence[int]) -> None:
        """Go back to the first ``lengths`` rows of each sequence."""
        assert all(a <= b for a, b in zip(lengths, self.lengths, strict=True)), "not there yet"
        self.lengths = list(lengths)
