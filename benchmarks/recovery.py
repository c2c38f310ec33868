"""Recovery of MiniLM on TREC, shape by shape: from logits alone, from rows of layers too; 2:4.

One model is trained; then each shape is cut from it and learns again in each of two ways, with the
same recipe and seed. The whole model learns in 4 bits, beside being rounded to them. Last, two of
four weights of the layers become zero. Accuracy is that of the rows that choose and of the test
rows together, with the interval of the difference on the same rows; sizes are those of folders, in
4 bits.
"""

import argparse
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from benchmarks.compression import DATA, _shrinker, _trained
from benchmarks.report import Row, collect, publish
from mason.compression import Layers, Rungs
from mason.metrics import paired_bootstrap
from mason.workflows.shrinking import Shrinker

SHAPES = ((4, 1536), (3, 1536), (2, 1536))
BITS = 4


def right(shrinker: Shrinker, rungs: Rungs, *, rows_too: bool) -> np.ndarray:
    """Which rows are right after learning again, layers' rows held against the teacher's or not."""
    whole = shrinker.whole.learned
    network, kept = shrinker.cut(shrinker.trained[whole], shrinker.kept[whole], rungs)
    layers = Layers.of(shrinker.model.network, kept) if rows_too else None
    shrinker.trained[rungs.learned] = shrinker.recovered(network, layers, rungs)
    shrinker.kept[rungs.learned] = kept
    made = shrinker.finished(shrinker.trained[rungs.learned], rungs)
    return np.concatenate([shrinker.scores(made, split) for split in ("valid", "test")])


def recovered(shrinker: Shrinker, rungs: Rungs) -> Iterator[Row]:
    """A shape learned again in both ways."""
    plain, taught = (right(shrinker, rungs, rows_too=both) for both in (False, True))
    name = f"{rungs.layers} layers"
    yield Row(f"{name}: % right, rows of layers too", 100 * taught.mean(), 100 * plain.mean())
    won = paired_bootstrap(plain, taught)
    ends = 100 * won.low, 100 * won.high
    yield Row(f"{name}: points won by rows of layers", 100 * won.value, None, None, ends)


def learned_in_few_bits(shrinker: Shrinker) -> Iterator[Row]:
    """The whole model, having learned in few bits, beside rounded after it had learned."""
    aware = Rungs(*shrinker.whole.shape, bits=BITS, aware=True)
    learned, rounded = shrinker.attempt(aware), shrinker.attempt(replace(aware, aware=False))
    yield Row(f"{BITS} bits, learned: % right", 100 * learned.score, 100 * rounded.score)


def thinned(shrinker: Shrinker) -> Iterator[Row]:
    """Two of four weights out, beside the same shape with all."""
    dense = shrinker.attempt(Rungs(*SHAPES[0], bits=BITS))
    sparse = shrinker.attempt(Rungs(*SHAPES[0], bits=BITS, sparse=True), dense)
    yield Row("2 of 4 weights: % right", 100 * sparse.score, 100 * dense.score)
    yield Row("2 of 4 weights: MB", sparse.num_bytes / 1e6, dense.num_bytes / 1e6)


def main() -> int:
    """Train, cut, recover, count."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=float, default=3, help="of each recovery")
    parser.add_argument("--shapes", type=int, default=len(SHAPES), help="how many of them")
    parser.add_argument("--max-steps", type=int, default=None, help="of training, for a trial")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--save", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    with tempfile.TemporaryDirectory() as work:
        model = _trained(DATA, Path(work) / "whole", given.max_steps)
        shrinker = _shrinker(model, DATA, Path(work) / "small", given)
        parts: dict[str, Callable[[], Iterable[Row]]] = {
            f"{shape[0]} layers": partial(recovered, shrinker, Rungs(*shape))
            for shape in SHAPES[: given.shapes]
        }
        parts[f"{BITS} bits"] = partial(learned_in_few_bits, shrinker)
        parts["2 of 4 weights"] = partial(thinned, shrinker)
        rows = collect(parts)
    notes = (
        "Beside each: what the same shape comes to from logits alone, if it is rounded after "
        "learning, or with all weights."
    )
    return 0 if publish("recovery", rows, notes=notes, save=given.save) else 1


if __name__ == "__main__":
    raise SystemExit(main())
