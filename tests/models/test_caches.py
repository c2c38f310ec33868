"""Reading some tokens, then a few at a time, gives what reading all at once gives."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from mason.layers import Cache
from mason.models.packed import Packed
from tests.models.small import build, sequences

cuts = st.lists(st.lists(st.integers(1, 7), min_size=1, max_size=4), min_size=1, max_size=4)
"""For each sequence, how many tokens come each time."""


def _even(sizes: list[list[int]]) -> list[list[int]]:
    """As many pieces for each sequence."""
    pieces = min(map(len, sizes))
    return [s[:pieces] for s in sizes]


def _pieces(rows: list[list[int]], sizes: list[list[int]]) -> list[Packed]:
    batches, done = [], [0] * len(rows)
    for counts in zip(*sizes, strict=True):
        ends = [d + n for d, n in zip(done, counts, strict=True)]
        parts = [row[d:e] for row, d, e in zip(rows, done, ends, strict=True)]
        batches.append(Packed.of(parts))
        done = ends
    return batches


def _joined(outputs: list[Tensor], batches: list[Packed]) -> Tensor:
    """Rows of all pieces, in the order of the whole sequences."""
    parts = [o.split(b.lengths) for o, b in zip(outputs, batches, strict=True)]
    return torch.cat([torch.cat(of_one) for of_one in zip(*parts, strict=True)])


@settings(max_examples=10)
@given(sizes=cuts.map(_even))
def test_decoder(sizes: list[list[int]]) -> None:
    model, rows = build("decoder"), sequences([sum(s) for s in sizes], seed=3)
    cache = Cache(3, len(rows), capacity=31)
    batches = _pieces(rows, sizes)
    with torch.no_grad():
        outputs = [model(batch, cache=cache) for batch in batches]
        whole = model(Packed.of(rows))
    assert cache.lengths == [len(row) for row in rows]
    assert (_joined(outputs, batches) - whole).abs().max() < 1e-12 * whole.abs().max()


@settings(max_examples=10)
@given(sizes=cuts.map(_even))
def test_encoder_decoder(sizes: list[list[int]]) -> None:
    """The source's keys and values are stored once, at the first piece."""
    model, rows = build("encoder-decoder"), sequences([sum(s) for s in sizes], seed=3)
    source = Packed.of(sequences([5 * i + 2 for i in range(len(rows))], seed=5))
    cache, cross = Cache(2, len(rows), capacity=31), Cache(2, len(rows), capacity=19)
    batches = _pieces(rows, sizes)
    with torch.no_grad():
        encoded: Tensor | None = model.encoder(source)
        outputs = []
        for batch in batches:
            out = model.decode(batch, encoded, source, cache=cache, cross_cache=cross)
            outputs.append(out)
            encoded = None
        whole = model(source, Packed.of(rows))
    assert (_joined(outputs, batches) - whole).abs().max() < 1e-12 * whole.abs().max()


def test_a_full_cache_is_our_own_bug() -> None:
    model = build("decoder")
    with pytest.raises(AssertionError, match="the cache is full"), torch.no_grad():
        model(Packed.of([[1, 2, 3]]), cache=Cache(3, 1, capacity=2))
