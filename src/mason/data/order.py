"""The order of the examples: a pure function, so that no iterator has state to save.

An epoch's order follows from (number of examples, seed, epoch) alone, whatever the number of
workers or ranks; after Streaming's elastic determinism (docs.mosaicml.com, StreamingDataset).
"""

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.int64]


def order(num_examples: int, *, seed: int, epoch: int) -> Indices:
    """The examples of one epoch in the order in which they are seen.

    Sorts by the raw words of Philox, a counter-based generator (Salmon et al. 2011), because
    NumPy promises those words, but not its shuffles, to stay the same between versions.

    Args:
        num_examples: how many examples there are.
        seed: the run's seed, 0 or more.
        epoch: 0, 1, 2, …

    Returns:
        A permutation of ``0 … num_examples - 1``, shape ``(num_examples,)``.
    """
    key = np.array([seed, epoch], dtype=np.uint64)
    words = np.random.Philox(key=key).random_raw(num_examples)
    return np.argsort(words, kind="stable").astype(np.int64, copy=False)


def stride(order: Indices, *, rank: int, world: int) -> Indices:
    """A rank's part of the order: every ``world``-th place, beginning at ``rank``.

    Every rank gets ``ceil(len(order) / world)`` places. Where the order does not divide, it
    goes on from its beginning, so up to ``world - 1`` examples are seen twice and none is
    left out; read place by place across the ranks, the parts are the global order.

    Args:
        order: the global order, shape ``(num_examples,)``.
        rank: this process, ``0 … world - 1``.
        world: the number of processes.
    """
    assert 0 <= rank < world, (rank, world)
    return np.resize(order, -(-len(order) // world) * world)[rank::world]
