"""Partition SHAP: Owen values, where words that stand together join before others do."""

from dataclasses import dataclass

import numpy as np

from mason.explanation.methods.method import Method, Weighed
from mason.explanation.subjects import Kept, Removals, Subject

_DEEPEST = 5
"""Halvings of the text: runs of words that are not halved any more share their value evenly."""


@dataclass(frozen=True)
class _Run:
    """Words that stand together, and what may stand of the rest: its contexts."""

    first: int
    last: int
    contexts: Kept
    depth: int

    @property
    def sides(self) -> tuple[Kept, Kept]:
        """The contexts with the run, and without it."""
        with_it = self.contexts.copy()
        with_it[:, self.first : self.last] = True
        return with_it, self.contexts

    def part(self, mine: slice, other: slice) -> "_Run":
        """One half, in the contexts where the other stands and in those where it does not."""
        joined = self.contexts.copy()
        joined[:, other] = True
        contexts = np.append(self.contexts, joined, axis=0)
        return _Run(mine.start, mine.stop, contexts, self.depth + 1)


def partition_shap(subject: Subject) -> Weighed:
    """Each half's mean gain with the other and without it, halved again (Lundberg & Lee 2017).

    The values sum to what the number gains from blanks to the whole text. Halves of halves
    are worth what they add in every context that the levels above allow, so 4 to the power of
    the levels variants are read.
    """
    ask = Removals(subject)
    runs = _halved(len(subject.words))
    ask(np.concatenate([side for run in runs for side in run.sides]))  # all in a few passes
    weights = np.zeros(len(subject.words))
    for run in runs:
        with_it, without = (ask(side) for side in run.sides)
        weights[run.first : run.last] = (with_it - without).mean() / (run.last - run.first)
    return Weighed(weights)


def _halved(size: int) -> list[_Run]:
    found, waiting = [], [_Run(0, size, np.zeros((1, size), dtype=bool), 0)]
    while waiting:
        run = waiting.pop()
        if run.last - run.first == 1 or run.depth == _DEEPEST:
            found.append(run)
            continue
        middle = (run.first + run.last + 1) // 2
        left, right = slice(run.first, middle), slice(middle, run.last)
        waiting += [run.part(left, right), run.part(right, left)]
    return found


SHAP = Method("shap", "Lundberg & Lee 2017", partition_shap)
