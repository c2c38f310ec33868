"""Which examples meet in a step, and how a step is cut to fit memory."""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from mason.data.order import order
from mason.training.recipe import Recipe

Indices = npt.NDArray[np.int64]


def epoch_batches(lengths: Sequence[int], recipe: Recipe, epoch: int) -> list[Indices]:
    """The batches of one epoch: a pure function of seed and epoch.

    By count (``batch_size``), or by tokens: then a batch is closed before it would grow
    past ``tokens_per_batch``.
    """
    ordered = order(len(lengths), seed=recipe.seed, epoch=epoch)
    if recipe.tokens_per_batch is None:
        cuts = np.arange(recipe.batch_size, len(ordered), recipe.batch_size)
    else:
        cuts = np.array(_full(np.asarray(lengths)[ordered], recipe.tokens_per_batch), dtype=int)
    return np.split(ordered, cuts)


def _full(lengths: npt.NDArray[np.int64], budget: int) -> list[int]:
    cuts, total = [], 0
    for place, length in enumerate(lengths):
        if total and total + length > budget:
            cuts.append(place)
            total = 0
        total += int(length)
    return cuts


class Cursor:
    """A place in the order of the examples: all that a run must remember of its data.

    Args:
        lengths: Tokens of each example.
        recipe: Seed and size of the batches.
        epoch: The epoch it stands in, from 0.
        place: Batches of that epoch that were taken.
    """

    def __init__(
        self, lengths: Sequence[int], recipe: Recipe, epoch: int = 0, place: int = 0
    ) -> None:
        self.lengths, self.recipe = lengths, recipe
        self.epoch, self.place = epoch, place
        self._batches = epoch_batches(lengths, recipe, epoch)

    def next(self) -> Indices:
        """The next batch; the cursor moves past it."""
        if self.place >= len(self._batches):
            self.epoch, self.place = self.epoch + 1, 0
            self._batches = epoch_batches(self.lengths, self.recipe, self.epoch)
        self.place += 1
        return self._batches[self.place - 1]


def passes(
    batch: Sequence[int] | Indices, lengths: Sequence[int], budget: int
) -> Iterator[list[int]]:
    """A batch by length, in runs of at most ``budget`` tokens (a longer example alone)."""
    run: list[int] = []
    total = 0
    for i in sorted((int(i) for i in batch), key=lambda i: lengths[i]):
        if run and total + lengths[i] > budget:
            yield run
            run, total = [], 0
        run.append(i)
        total += lengths[i]
    if run:
        yield run
