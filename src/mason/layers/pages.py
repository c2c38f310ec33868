"""Keys and values in blocks of a few rows, taken when they are needed and shared while alike.

Kwon et al. 2023 (arXiv:2309.06180). A sequence holds a table of blocks: what it does not fill
costs nothing, sequences come and go, and those with the same beginning hold the same blocks
until one of them writes. Attention gathers a sequence's blocks for every step, so where all
sequences start and end together a ``Cache``, whose rows lie in place, is faster.
"""

import weakref
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from mason.layers.caches import Cache, LayerCache
from mason.layers.layout import Layout, Stored

Table = list[int]
"""The blocks of a sequence, in order."""


class Pages:
    """Blocks for all layers of a model; they grow as sequences do.

    Args:
        num_layers: Layers that keep something here.
        rows: Rows of a block.
    """

    def __init__(self, num_layers: int, rows: int = 16) -> None:
        self.num_layers, self.rows = num_layers, rows
        self._holders: list[int] = []
        self._free: Table = []
        self._stores: list[tuple[Tensor, Tensor] | None] = [None] * num_layers

    def __len__(self) -> int:
        """Blocks there are."""
        return len(self._holders)

    @property
    def num_free(self) -> int:
        """Blocks that nobody holds."""
        return len(self._free)

    def take(self) -> int:
        """A block for one sequence alone."""
        if not self._free:
            first, more = len(self), max(8, len(self))
            self._free += range(first + more - 1, first - 1, -1)
            self._holders += [0] * more
            for layer, store in enumerate(self._stores):
                if store is not None:
                    self._stores[layer] = (self._longer(store[0]), self._longer(store[1]))
        block = self._free.pop()
        self._holders[block] = 1
        return block

    def share(self, blocks: Sequence[int]) -> Table:
        """The same blocks for one more sequence."""
        for block in blocks:
            self._holders[block] += 1
        return list(blocks)

    def give_back(self, blocks: Sequence[int]) -> None:
        """One sequence less holds them."""
        for block in blocks:
            self._holders[block] -= 1
            if not self._holders[block]:
                self._free.append(block)

    def own(self, block: int) -> int:
        """A block that may be written to: itself where nobody else holds it, else a copy."""
        if self._holders[block] == 1:
            return block
        copy = self.take()
        for store in filter(None, self._stores):
            for rows in store:
                rows[copy] = rows[block]
        self.give_back([block])
        return copy

    def store(
        self,
        layer: int,
        like: tuple[Tensor, Tensor] | None = None,
        dtype: torch.dtype | None = None,
    ) -> tuple[Float[Tensor, "P R g d"], Float[Tensor, "P R g d"]]:
        """A layer's blocks; the first time they are made for keys and values such as these."""
        found = self._stores[layer]
        if found is None:
            assert like is not None, "the cache is empty"
            shape = len(self), self.rows, *like[0].shape[1:]
            keys, values = (x.new_zeros(shape, dtype=dtype) for x in like)
            found = self._stores[layer] = keys, values
        return found

    def _longer(self, rows: Tensor) -> Tensor:
        return torch.cat([rows, rows.new_zeros(len(self) - len(rows), *rows.shape[1:])])


class PagedLayer(LayerCache):
    """One layer's keys and values, gathered from blocks when they are looked at."""

    in_place = False

    def __init__(self, cache: "PagedCache", layer: int) -> None:
        super().__init__(cache)
        self._paged, self._layer = cache, layer

    def extend(
        self, key: Float[Tensor, "T g d"] | None, value: Float[Tensor, "T g d"] | None
    ) -> tuple[Float[Tensor, "N C g d"], Float[Tensor, "N C g d"]]:
        """Store new rows (None: nothing new) and return those of the active sequences."""
        new = None if key is None or value is None else (key, value)
        stores = self.places(new)
        for store, rows in zip(stores, new or (), strict=False):
            store.flatten(0, 1).index_copy_(0, self._paged.new_rows, rows.to(store.dtype))
        keys, values = map(self._gathered, stores)
        if key is None or value is None:
            return keys, values
        return keys.to(key.dtype), values.to(value.dtype)

    def places(
        self, like: tuple[Tensor, Tensor] | None
    ) -> tuple[Float[Tensor, "P R g d"], Float[Tensor, "P R g d"]]:
        """All blocks; ``PagedCache.table`` says whose they are."""
        return self._paged.pages.store(self._layer, like, self._paged.dtype)

    def _gathered(self, store: Tensor) -> Tensor:
        table = self._paged.table
        rows: Tensor = store.index_select(0, table.flatten())
        return rows.view(*table.shape, *store.shape[1:]).flatten(1, 2)


class PagedCache(Cache):
    """All layers' keys and values of N sequences, in blocks.

    Args:
        pages: Where the blocks come from; several caches may share it.
        num_sequences: N.
        capacity: Most rows a sequence may have.
        dtype: What they are kept in; None: in what they are made in.
    """

    def __init__(
        self,
        pages: Pages,
        num_sequences: int,
        capacity: int,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(0, num_sequences, capacity, dtype)
        self.pages = pages
        # Layers do not keep their cache alive, so that its blocks are free as soon as it is gone.
        alive: PagedCache = weakref.proxy(self)
        self.layers = [PagedLayer(alive, i) for i in range(pages.num_layers)]
        self._tables: list[Table] = [[] for _ in range(num_sequences)]
        self.table = torch.empty(0, 0, dtype=torch.long)
        """Blocks of the active sequences; beyond a sequence's end, any."""
        weakref.finalize(self, _give_back_all, pages, self._tables)

    def admit(self, count: int = 1) -> None:
        """Begin with so many new sequences behind those that are there."""
        self._tables += [[] for _ in range(count)]
        self.lengths += [0] * count

    def advance(self, lengths: Sequence[int], device: torch.device) -> tuple[Layout, Layout]:
        """Make room for ``lengths`` new rows; return the layouts of new and of all rows."""
        active = self._active()
        assert len(lengths) == len(active), "one length a sequence"
        past = [self.lengths[i] for i in active]
        rows = [
            row
            for place, done, length in zip(active, past, lengths, strict=True)
            for row in self._room(place, done, length)
        ]
        assert max(self.lengths) <= self.capacity, "the cache is full"
        self.new_rows = torch.tensor(rows, device=device)
        held = [self._tables[i] for i in active]
        longest = max(map(len, held))
        padded = [table + table[-1:] * (longest - len(table)) for table in held]
        self.table = torch.tensor(padded, device=device)
        return Layout(lengths, device=device, past=past), self._stored(device)

    def _room(self, place: int, done: int, length: int) -> list[int]:
        """The rows that a sequence writes to next."""
        table, size = self._tables[place], self.pages.rows
        if done % size:
            table[-1] = self.pages.own(table[-1])
        while len(table) * size < done + length:
            table.append(self.pages.take())
        self.lengths[place] = done + length
        return [table[k // size] * size + k % size for k in range(done, done + length)]

    def _active(self) -> Sequence[int]:
        return range(len(self)) if self.active is None else self.active

    def _stored(self, device: torch.device) -> Stored:
        active = self._active()
        return Stored([self.lengths[i] for i in active], range(len(active)), device=device)

    def fork(self, sequences: Sequence[int]) -> "PagedCache":
        """A cache that goes on with these sequences; nothing is copied until one writes."""
        twin = PagedCache(self.pages, len(sequences), self.capacity, self.dtype)
        twin.lengths = [self.lengths[i] for i in sequences]
        twin._tables[:] = [self.pages.share(self._tables[i]) for i in sequences]
        return twin

    def keep(self, sequences: Sequence[int]) -> None:
        """Go on with these sequences, numbered from 0 in the order given; one may come twice."""
        kept = [self.pages.share(self._tables[i]) for i in sequences]
        for table in self._tables:
            self.pages.give_back(table)
        self._tables[:] = kept
        self.lengths = [self.lengths[i] for i in sequences]

    def forget(self, lengths: Sequence[int]) -> None:
        """Go back to the first ``lengths`` rows of each sequence."""
        super().forget(lengths)
        for table, length in zip(self._tables, lengths, strict=True):
            needed = -(-length // self.pages.rows)
            self.pages.give_back(table[needed:])
            del table[needed:]


def _give_back_all(pages: Pages, tables: list[Table]) -> None:
    for table in tables:
        pages.give_back(table)
