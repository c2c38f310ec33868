"""What a heap grows to: memory freed in pieces cannot all be used again."""

from bisect import bisect_left, insort
from collections.abc import Iterable

Event = tuple[int, int]
"""A block's number and its bytes where it is taken; its number and -1 where it is freed."""

_SLACK = 96
"""glibc looks for this much more, to align a tensor to 64 bytes; before 2.38 even in a hole
of the very size that is wanted, so that the holes of a step before fit no more."""


class Heap:
    """glibc's heap as tensors use it: the least hole that fits, neighbours merged, else grow.

    Attributes:
        top: Bytes from its start to the end of the highest block.
        highest: The largest ``top`` so far; the pages below stay with the process.
    """

    def __init__(self) -> None:
        self.top = self.highest = 0
        self._holes: list[tuple[int, int]] = []
        self._ends: dict[int, int] = {}
        self._starts: dict[int, int] = {}
        self._blocks: dict[int, tuple[int, int]] = {}

    def replay(self, events: Iterable[Event]) -> None:
        """Take and free blocks; numbers never met before are free to use."""
        for number, size in events:
            if size >= 0:
                self._take(number, size)
            elif number in self._blocks:
                self._free(number)

    def _take(self, number: int, size: int) -> None:
        size = -(-size // 64) * 64 + 64
        place = bisect_left(self._holes, (size + _SLACK, 0))
        if place < len(self._holes):
            held, start = self._holes.pop(place)
            del self._starts[start], self._ends[start + held]
            if held > size:
                self._open(start + size, held - size)
        else:
            start, self.top = self.top, self.top + size
            self.highest = max(self.highest, self.top)
        self._blocks[number] = (start, size)

    def _free(self, number: int) -> None:
        start, size = self._blocks.pop(number)
        if start in self._ends:
            start, size = self._close(self._ends[start], size)
        after = start + size
        if after in self._starts:
            size += self._starts[after]
            self._close(after, 0)
        if start + size == self.top:
            self.top = start
        else:
            self._open(start, size)

    def _open(self, start: int, size: int) -> None:
        self._starts[start] = size
        self._ends[start + size] = start
        insort(self._holes, (size, start))

    def _close(self, start: int, extra: int) -> tuple[int, int]:
        """Take a hole away; return it, larger by ``extra``."""
        size = self._starts.pop(start)
        del self._ends[start + size]
        self._holes.pop(bisect_left(self._holes, (size, start)))
        return start, size + extra
