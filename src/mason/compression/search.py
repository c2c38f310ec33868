"""The search: the cheapest steps first, then smaller and smaller shapes while they are good."""

import heapq
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

from mason.compression.rungs import FREE, WIDE, Rungs, children
from mason.compression.verdict import Verdict


@dataclass(frozen=True)
class Tried:
    """A combination, measured.

    Attributes:
        rungs: What was done.
        num_bytes: On disk, tokenizer and all.
        latency: Milliseconds for a text, the middle one.
        score: Accuracy on the rows that choose.
        verdict: Beside the original on those rows.
        made: What was built, for whoever asked.
    """

    rungs: Rungs
    num_bytes: int
    latency: float
    score: float
    verdict: Verdict
    made: Any = None


Try = Callable[[Rungs, Tried | None], Tried]
"""Builds and measures a combination; the second is the one that it is a smaller shape of."""


def search(
    whole: Rungs,
    attempt: Try,
    *,
    seconds: float,
    enough: Callable[[Tried], bool] = lambda tried: False,
) -> list[Tried]:
    """Try combinations until the time is over, or ``enough`` says so.

    What needs no learning is tried first. Then shapes, each with the free steps that took most
    off: from the smallest whose estimate is inside the budget to its next ones. A shape that is
    outside has no smaller ones tried, for they hold less still. Last, if there is time, the
    smallest that is inside loses two of four of its weights.

    Args:
        whole: The model as it was.
        attempt: Builds and measures.
        seconds: No shape is begun after this long.
        enough: Whether a combination is all that was asked for.
    """
    end, order = time.monotonic() + seconds, count()
    found = [attempt(Rungs(*whole.shape, *free), None) for free in FREE]
    if _done(found, enough):
        return found
    start = smallest_hopeful(found)
    queue: list[tuple[int, int, Rungs, Tried | None]] = []
    seen = {whole.shape}

    def push(parent: Rungs, tried: Tried | None, num_bytes: int) -> None:
        for child in children(parent, whole):
            if child.shape not in seen:
                seen.add(child.shape)
                heapq.heappush(queue, (num_bytes, next(order), child, tried))

    push(start.rungs, None, start.num_bytes)
    while queue and time.monotonic() < end:
        _, _, rungs, parent = heapq.heappop(queue)
        tried = attempt(rungs, parent)
        found.append(tried)
        if tried.verdict.accepted and enough(tried):
            break
        if tried.verdict.hopeful:
            push(rungs, tried, tried.num_bytes)
    smallest = smallest_hopeful(found)
    # Zeros are no faster here, so that they come last.
    if time.monotonic() < end and not _done(found, enough) and smallest.rungs.bits < WIDE:
        found.append(attempt(replace(smallest.rungs, sparse=True), smallest))
    return found


def smallest_hopeful(tried: Sequence[Tried]) -> Tried:
    """The smallest whose estimate is inside the budget; else the one that loses least."""
    hopeful = [one for one in tried if one.verdict.hopeful]
    if hopeful:
        return min(hopeful, key=lambda one: one.num_bytes)
    return max(tried, key=lambda one: one.score)


def _done(found: Iterable[Tried], enough: Callable[[Tried], bool]) -> bool:
    return any(tried.verdict.accepted and enough(tried) for tried in found)


def pareto(tried: Sequence[Tried]) -> list[Tried]:
    """Those that no other beats in both size and score, the largest first."""
    front: list[Tried] = []
    for one in sorted(tried, key=lambda t: (t.num_bytes, -t.score)):
        if not front or one.score > front[-1].score:
            front.append(one)
    return front[::-1]
