"""What a way to weigh words is."""

from collections.abc import Callable
from dataclasses import dataclass

from mason.explanation.subjects import Subject, Weights


@dataclass(frozen=True)
class Weighed:
    """How much each word spoke for a number, and against it where it is negative.

    Attributes:
        weights: [words].
        incompleteness: How far their sum is from what it must be, as a share; None where a
            method promises no sum.
    """

    weights: Weights
    incompleteness: float | None = None


@dataclass(frozen=True)
class Method:
    """A way to weigh words: its name, its paper, and what does it.

    Attributes:
        name: As ``--method`` takes it.
        paper: Where it was described.
        weigh: From a subject to the weights of its words.
        rough: The same at less cost, for checks that need no digits; None: ``weigh``.
    """

    name: str
    paper: str
    weigh: Callable[[Subject], Weighed]
    rough: Callable[[Subject], Weighed] | None = None
