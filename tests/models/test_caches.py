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


def test_finished_sequences_are_let_go_of() -> None:
    """The others go on, in the order given, as if the finished had never been there."""
    model, rows = build("decoder"), sequences([11, 3, 7], seed=3)
    cache = Cache(3, 3, capacity=13)
    with torch.no_grad():
        model(Packed.of([rows[0][:5], rows[1], rows[2][:6]]), cache=cache)
        cache.keep([2, 0])
        rest = model(Packed.of([rows[2][6:], rows[0][5:]]), cache=cache).split([1, 6])
        for mine, row in zip(rest, (rows[2], rows[0]), strict=True):
            whole = model(Packed.of([row]))
            assert torch.allclose(mine, whole[-len(mine) :], atol=1e-12)
    assert cache.lengths == [7, 11]


def test_a_full_cache_is_our_own_bug() -> None:
    model = build("decoder")
    with pytest.raises(AssertionError, match="the cache is full"), torch.no_grad():
        model(Packed.of([[1, 2, 3]]), cache=Cache(3, 1, capacity=2))
