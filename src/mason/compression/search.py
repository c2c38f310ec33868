"""The search: the cheapest steps first, then smaller and smaller shapes while they are good."""

import heapq
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

from mason.compression.rungs import READING, WIDE, Ladder, Rungs, children
from mason.compression.verdict import Verdict


@dataclass(frozen=True)
class Tried:
    """A combination, measured.

    Attributes:
        rungs: What was done.
        num_bytes: On disk, tokenizer and all.
        latency: Milliseconds for a text, the middle one.
        score: Mean over the rows that choose.
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
    ladder: Ladder = READING,
    enough: Callable[[Tried], bool] = lambda tried: False,
) -> list[Tried]:
    """Try combinations until the time is over, or ``enough`` says so.

    What needs no learning is tried first; where the fewest bits cost too much, the weights learn
    in them. Then shapes, each with the steps that took most off: from the smallest whose estimate
    is inside the budget to its next ones. A shape that is outside has no smaller ones tried, for
    they hold less still. Last, if there is time, the smallest that is inside loses two of four of
    its weights.

    Args:
        whole: The model as it was.
        attempt: Builds and measures.
        ladder: Which steps there are.
        seconds: No shape is begun after this long.
        enough: Whether a combination is all that was asked for.
    """
    end, order = time.monotonic() + seconds, count()
    free = [replace(whole, tokens=tokens, bits=bits) for tokens, bits in ladder.free]
    found = [attempt(rungs, None) for rungs in free]
    if _done(found, enough):
        return found
    rungs = in_fewest_bits(found)
    if rungs is not None and time.monotonic() < end:
        found.append(attempt(rungs, None))
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
    worth = ladder.sparse and smallest.rungs.bits < WIDE
    if worth and time.monotonic() < end and not _done(found, enough):
        found.append(attempt(replace(smallest.rungs, sparse=True), smallest))
    return found


def smallest_hopeful(tried: Sequence[Tried]) -> Tried:
    """The smallest whose estimate is inside the budget; else the one that loses least."""
    hopeful = [one for one in tried if one.verdict.hopeful]
    if hopeful:
        return min(hopeful, key=lambda one: one.num_bytes)
    return max(tried, key=lambda one: one.score)


def in_fewest_bits(tried: Sequence[Tried]) -> Rungs | None:
    """The whole model, learned in the fewest bits; None: rounding alone is good enough.

    It has the fewest tokens that cost nothing by themselves.
    """
    bits = min(one.rungs.bits for one in tried)
    if any(one.rungs.bits == bits and one.verdict.hopeful for one in tried):
        return None
    alone = [one for one in tried if one.rungs.bits == WIDE and one.verdict.hopeful]
    tokens = min((one.rungs.tokens for one in alone), default=1.0)
    return replace(tried[0].rungs, tokens=tokens, bits=bits, aware=True)


def _done(found: Iterable[Tried], enough: Callable[[Tried], bool]) -> bool:
    return any(tried.verdict.accepted and enough(tried) for tried in found)


def pareto(tried: Sequence[Tried]) -> list[Tried]:
    """Those that no other beats in both size and score, the largest first."""
    front: list[Tried] = []
    for one in sorted(tried, key=lambda t: (t.num_bytes, -t.score)):
        if not front or one.score > front[-1].score:
            front.append(one)
    return front[::-1]
