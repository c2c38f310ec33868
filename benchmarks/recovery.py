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

LAYERS = (4, 3, 2)
BITS = 4


def right(shrinker: Shrinker, rungs: Rungs) -> np.ndarray:
    """Which rows a shape that has learned gets right."""
    made = shrinker.finished(shrinker.trained[rungs.learned], rungs)
    return np.concatenate([shrinker.scores(made, split) for split in ("valid", "test")])


def beside(name: str, better: np.ndarray, other: np.ndarray) -> Iterator[Row]:
    """Both accuracies, and the points between them on the same rows."""
    yield Row(f"{name}: % right", 100 * better.mean(), 100 * other.mean())
    won = paired_bootstrap(other, better)
    ends = 100 * won.low, 100 * won.high
    yield Row(f"{name}: points won", 100 * won.value, None, None, ends)


def learn(shrinker: Shrinker, rungs: Rungs, larger: Rungs, *, rows_too: bool = False) -> None:
    """A shape learns again, cut from a larger one; layers' rows are held against the teacher's."""
    network, kept = shrinker.cut(
        shrinker.trained[larger.learned], shrinker.kept[larger.learned], rungs
    )
    layers = Layers.of(shrinker.model.network, kept) if rows_too else None
    shrinker.trained[rungs.learned] = shrinker.recovered(network, layers, rungs)
    shrinker.kept[rungs.learned] = kept


def recovered(shrinker: Shrinker, rungs: Rungs) -> Iterator[Row]:
    """A shape learned again in both ways."""
    found = []
    for both in (True, False):
        learn(shrinker, rungs, shrinker.whole, rows_too=both)
        found.append(right(shrinker, rungs))
    yield from beside(f"{rungs.layers} layers, rows of layers too", *found)


def learned_in_few_bits(shrinker: Shrinker) -> Iterator[Row]:
    """The whole model, having learned in few bits, beside rounded after it had learned."""
    aware = replace(shrinker.whole, bits=BITS, aware=True)
    learn(shrinker, aware, shrinker.whole)
    rounded = right(shrinker, replace(aware, aware=False))
    yield from beside(f"{BITS} bits, learned", right(shrinker, aware), rounded)


def thinned(shrinker: Shrinker) -> Iterator[Row]:
    """Two of four weights out, beside the same shape with all, which learns as much again."""
    dense = replace(shrinker.whole, layers=LAYERS[0], bits=BITS)
    sparse = replace(dense, sparse=True)
    learn(shrinker, dense, shrinker.whole)
    learn(shrinker, sparse, dense)
    learn(shrinker, dense, dense)
    yield from beside("2 of 4 weights", right(shrinker, sparse), right(shrinker, dense))


def main() -> int:
    """Train, cut, recover, count."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=float, default=3, help="of each recovery")
    parser.add_argument("--shapes", type=int, default=len(LAYERS), help="how many of them")
    parser.add_argument("--max-steps", type=int, default=None, help="of training, for a trial")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--save", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    with tempfile.TemporaryDirectory() as work:
        model = _trained(DATA, Path(work) / "whole", given.max_steps)
        shrinker = _shrinker(model, DATA, Path(work) / "small", given)
        parts: dict[str, Callable[[], Iterable[Row]]] = {
            f"{layers} layers": partial(recovered, shrinker, replace(shrinker.whole, layers=layers))
            for layers in LAYERS[: given.shapes]
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
