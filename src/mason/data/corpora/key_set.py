"""Sets of 64-bit keys, by the million, in one array."""

import numpy as np
import numpy.typing as npt

Keys = npt.NDArray[np.uint64]
Truths = npt.NDArray[np.bool_]

_FULLEST = 0.75
_SPREAD = np.uint64(0x9E3779B97F4A7C15)


class KeySet:
    """Keys in an open-addressed table: about 8 to 16 bytes a key, where a Python set takes 90.

    Args:
        most: Slots that the table may grow to, a power of two; a table that is three quarters
            full remembers nothing more.
    """

    def __init__(self, most: int = 1 << 28) -> None:
        self.most, self.num = most, 0
        self._table = np.zeros(min(most, 1 << 12), np.uint64)

    def holds(self, keys: Keys) -> Truths:
        """Which of the keys are in the set, shape ``(num_keys,)``."""
        keys = _not_zero(keys)
        found = np.zeros(len(keys), np.bool_)
        places, slots = np.arange(len(keys)), self._slots(keys)
        while len(places):
            there = self._table[slots]
            found[places[there == keys]] = True
            going = (there != 0) & (there != keys)
            places, keys, slots = places[going], keys[going], self._after(slots[going])
        return found

    def add(self, keys: Keys) -> None:
        """Take keys in, if they still fit."""
        keys = np.unique(_not_zero(keys))
        keys = keys[~self.holds(keys)]
        while self.num + len(keys) > _FULLEST * len(self._table):
            if len(self._table) >= self.most:
                return
            old = self._table
            self._table = np.zeros(2 * len(old), np.uint64)
            for start in range(0, len(old), 1 << 20):
                part = old[start : start + (1 << 20)]
                self._insert(part[part != 0])
        self.num += len(keys)
        self._insert(keys)

    def _insert(self, keys: Keys) -> None:
        """Keys that are not there, each once; of those that want one slot the last gets it."""
        slots = self._slots(keys)
        while len(keys):
            free = self._table[slots] == 0
            self._table[slots[free]] = keys[free]
            going = self._table[slots] != keys
            keys, slots = keys[going], self._after(slots[going])

    def _slots(self, keys: Keys) -> npt.NDArray[np.int64]:
        bits = len(self._table).bit_length() - 1
        return ((keys * _SPREAD) >> np.uint64(64 - bits)).astype(np.int64)

    def _after(self, slots: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        return (slots + 1) & (len(self._table) - 1)


def stands_earlier(keys: Keys) -> Truths:
    """Which keys equal one before them, shape ``(num_keys,)``."""
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    return first[inverse] < np.arange(len(keys))


def _not_zero(keys: Keys) -> Keys:
    """Zero marks a free slot."""
    return np.where(keys == 0, np.uint64(1), keys)
