"""Random search of equal cost, many times over: a pool of shapes is learned, and searches draw.

One random search beside ours is decided by luck, for eight shapes on some hundred rows are few.
So a pool of all the shapes there are is drawn, and each of them learns once from the original, as
random search would have it, is held in every free way, and is judged by the rows that choose. A
random search is then a draw of as many learned shapes as our search learned, each with free steps
at random.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from statistics import mean, median
from tempfile import TemporaryDirectory

from benchmarks.report import Goal, Row
from mason.compression import Rungs, Tried, judge_drop
from mason.compression.rungs import Shape
from mason.compression.search import pareto
from mason.workflows.shrinking import Shrinker, front_of

TOKENS, BITS, STEPS = (1.0, 0.5, 0.0), (8, 4), 4
BELOW = 0.05
"""Scores so far below the original's are worth nothing to a front."""
Pool = Mapping[Shape, Sequence[Tried]]
"""Of each shape, all free ways to hold it."""


def learned_once(shrinker: Shrinker, count: int) -> Pool:
    """The whole shape and so many others, each learned once and judged in every free way."""
    whole = shrinker.whole
    steps = range(STEPS, 0, -1)
    sizes = product(
        range(whole.layers, 0, -1),
        [whole.neurons * step // STEPS for step in steps],
        [whole.heads * step // STEPS for step in steps],
    )
    shapes = [Rungs(layers, neurons, heads=heads) for layers, neurons, heads in sizes]
    found: dict[Shape, list[Tried]] = {}
    for shape in [whole, *random.Random(0).sample(shapes[1:], count)]:
        network = shrinker.network_of(shape, None)
        for tokens, bits in product(TOKENS, BITS):
            rungs = replace(shape, tokens=tokens, bits=bits)
            made = shrinker.finished(network, rungs)
            with TemporaryDirectory() as place:
                made.write(Path(place))
                num_bytes = sum(file.stat().st_size for file in Path(place).iterdir())
            scores = shrinker.scores(made, "valid")
            verdict = judge_drop(shrinker.original.scores, scores, shrinker.budget)
            one = Tried(rungs, num_bytes, 0.0, float(scores.mean()), verdict)
            found.setdefault(shape.shape, []).append(one)
    return found


def searches(pool: Pool, whole: Rungs, learned: int, count: int) -> Iterator[list[Tried]]:
    """So many random searches; the whole shape costs no learning, nor does a shape drawn again."""
    for seed in range(count):
        draw, found, shapes = random.Random(seed), list[Tried](), {whole.shape}
        while len(shapes) - 1 < learned:
            shape = draw.choice(list(pool))
            shapes.add(shape)
            found.append(draw.choice(pool[shape]))
        yield found


def beside_random(
    tried: Sequence[Tried], shrinker: Shrinker, learned: int, count: int, pool: int
) -> Iterator[Row]:
    """What our search found beside so many random searches of as many learned shapes of a pool."""
    whole, original = shrinker.whole, shrinker.original
    before, score = original.footprint.num_bytes, float(original.scores.mean())
    ours = _smallest(tried, before)
    single = [one for one in tried if len(list(one.rungs.left_out(whole))) == 1]
    steps = _smallest(single, before)
    yield Row(
        "MB beside the smallest single step", ours / 1e6, steps / 1e6, Goal("≤", 1.0, "ratio")
    )
    drawn = list(searches(learned_once(shrinker, pool), whole, learned, count))
    theirs = [_smallest(one, before) for one in drawn]
    name = f"of {count:,} random searches of {learned} learned shapes"
    middle = median(theirs)
    yield Row(f"MB beside the middle one {name}", ours / 1e6, middle / 1e6, Goal("≤", 1, "ratio"))
    worse = mean(size > ours for size in theirs)
    yield Row(f"share {name} that end larger", worse, None, Goal("≥", 0.5))
    areas = [_area(one, before, score) for one in drawn]
    area = _area(tried, before, score)
    name = f"area of the front beside the middle one {name}"
    yield Row(name, area, median(areas), Goal("≥", 1, "ratio"))
    yield Row("share of their fronts with less area", mean(one < area for one in areas))


def _smallest(tried: Sequence[Tried], before: int) -> int:
    """Bytes of the smallest inside the budget; a search that finds none leaves the original."""
    return min([before, *(one.num_bytes for one in front_of(tried))])


def _area(tried: Sequence[Tried], before: int, score: float) -> float:
    """Of the plane of size and score, the share that a front is better than, 0 to 1.

    Sizes go from none to the original's, scores from ``BELOW`` beneath its own to as much above.
    """
    area, right = 0.0, float(before)
    for one in pareto(tried):
        height = min(max(one.score - (score - BELOW), 0.0), 2 * BELOW)
        if one.num_bytes < right:
            area += (right - one.num_bytes) * height
            right = float(one.num_bytes)
    return area / (before * 2 * BELOW)
