"""How far a C allocator's heap grows under a run's requests: holes cost memory too."""

from bisect import bisect_left, insort

_SLACK = 96
"""What glibc looks for besides the bytes, to align them to 64; before 2.38 even in a hole of
the very size that is wanted, so that the holes a step left do not fit the next one's tensors."""


class Heap:
    """The least hole that fits, else growth; neighbouring holes merge; nothing is returned.

    Attributes:
        top: Bytes from the heap's beginning to its end.
    """

    def __init__(self) -> None:
        self.top = 0
        self._holes: list[tuple[int, int]] = []
        """Size and start, by size."""
        self._starts: dict[int, int] = {}
        self._ends: dict[int, int] = {}

    def take(self, size: int) -> tuple[int, int]:
        """Start and size of a new block."""
        size = -(-size // 64) * 64
        place = bisect_left(self._holes, (size + _SLACK, -1))
        if place < len(self._holes):
            length, start = self._holes[place]
            self._remove(start, length)
            self._add(start + size, length - size)
            return start, size
        start = self.top
        if (length := self._ends.get(self.top, 0)) > 0:
            start -= length
            self._remove(start, length)
        self.top = start + size
        return start, size

    def give_back(self, start: int, size: int) -> None:
        """Make a block a hole, as one with the holes beside it."""
        if length := self._ends.get(start, 0):
            self._remove(start - length, length)
            start, size = start - length, size + length
        if length := self._starts.get(start + size, 0):
            self._remove(start + size, length)
            size += length
        self._add(start, size)

    def _add(self, start: int, size: int) -> None:
        if size:
            insort(self._holes, (size, start))
            self._starts[start] = self._ends[start + size] = size

    def _remove(self, start: int, size: int) -> None:
        del self._holes[bisect_left(self._holes, (size, start))]
        del self._starts[start], self._ends[start + size]
