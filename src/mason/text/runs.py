"""The ids of many texts in one array, without a Python list of each."""

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Ids = npt.NDArray[np.int32]
Places = npt.NDArray[np.int64]


class Runs(NamedTuple):
    """The ids of texts, one after another.

    Attributes:
        ids: Shape ``(num_ids,)``.
        lengths: Ids of each text, shape ``(num_texts,)``.
    """

    ids: Ids
    lengths: Places

    @classmethod
    def of(cls, encoded: Sequence[Sequence[int]]) -> "Runs":
        """Lists of ids, put together."""
        lengths = np.fromiter(map(len, encoded), np.int64, len(encoded))
        flat: Iterable[int] = chain.from_iterable(encoded)
        return cls(np.fromiter(flat, np.int32, int(lengths.sum())), lengths)


class Spans(NamedTuple):
    """The ids of texts that stand anywhere in an array.

    Attributes:
        ids: Shape ``(num_ids,)``.
        starts: Where each text begins in it, shape ``(num_texts,)``.
        lengths: Ids of each text, shape ``(num_texts,)``.
    """

    ids: Ids
    starts: Places
    lengths: Places

    @classmethod
    def of(cls, runs: Runs) -> "Spans":
        """Texts as they stand one after another."""
        return cls(runs.ids, np.cumsum(runs.lengths) - runs.lengths, runs.lengths)

    def plus(self, more: "Spans") -> "Spans":
        """These texts, then those."""
        return Spans(
            np.concatenate([self.ids, more.ids]),
            np.concatenate([self.starts, more.starts + len(self.ids)]),
            np.concatenate([self.lengths, more.lengths]),
        )

    def taken(self, rows: Places) -> Runs:
        """Texts by number, as often as they are named, one after another."""
        lengths = self.lengths[rows]
        ends = np.cumsum(lengths)
        shifts = np.repeat(self.starts[rows] - ends + lengths, lengths)
        return Runs(self.ids[np.arange(len(shifts)) + shifts], lengths)
