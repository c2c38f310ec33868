"""Keys and values in blocks: the same answers, and no more blocks than are filled."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from benchmarks.parity_oracle import Pair
from mason.generation import Sampling, generate
from mason.generation.decoding import Decoding
from mason.layers import Pages
from mason.models.packed import Packed
from tests.generation.conftest import DECODERS, PROMPTS
from tests.generation.oracle import tokens_of
from tests.models.small import build, sequences

PairOf = Callable[[str], Pair]
FREE = Sampling(11, stop_tokens=())


def depth_of(pair: Pair) -> int:
    """Layers of the decoder."""
    assert pair.ours.spec.decoder is not None
    return pair.ours.spec.decoder.depth


@pytest.mark.parametrize("name", DECODERS)
def test_answers_are_those_of_places_in_a_row(pair_of: PairOf, name: str) -> None:
    pair = pair_of(name)
    ways = (
        FREE,
        replace(FREE, num_beams=3, num_return=3),
        replace(FREE, temperature=0.9, seed=5, num_return=2),
        replace(FREE, num_drafts=3),
        replace(FREE, prefill_chunk=2),
    )
    for sampling in ways:
        pages = Pages(depth_of(pair), rows=3)
        paged = generate(pair.ours, PROMPTS, sampling, pages=pages)
        assert tokens_of(paged) == tokens_of(generate(pair.ours, PROMPTS, sampling))
        assert pages.num_free == len(pages), "what is done gives its blocks back"


@torch.no_grad()
def test_a_shared_beginning_is_held_once() -> None:
    model, (row,) = build("decoder"), sequences([23], seed=3)
    pages = Pages(3, rows=4)
    first = Decoding(model, 1, 31, pages=pages)
    first.read(Packed.of([row[:17]]))
    held = len(pages) - pages.num_free
    assert held == 5  # 17 rows in blocks of 4
    twins = first.fork([0, 0, 0])
    assert len(pages) - pages.num_free == held, "nothing is copied yet"
    ends = [row[17:], row[17:20], [5, 7]]
    rows = twins.read(Packed.of(ends)).split([6, 3, 2])
    # Each has a copy of the block that was begun, one of them a block more.
    assert len(pages) - pages.num_free == held + 3 + 1
    for end, mine in zip(ends, rows, strict=True):
        whole = model(Packed.of([row[:17] + end]))
        assert torch.allclose(mine, whole[17:], atol=1e-12)
    again = first.read(Packed.of([row[17:]]))
    assert torch.allclose(again, rows[0], atol=1e-12)


@torch.no_grad()
def test_sequences_come_and_go() -> None:
    """As a server needs it: one is let go of, one begins, the others do not notice."""
    model, rows = build("decoder"), sequences([11, 9, 13], seed=3)
    pages = Pages(3, rows=4)
    decoding = Decoding(model, 2, 31, pages=pages)
    decoding.read(Packed.of([rows[0][:5], rows[1][:6]]))
    decoding.keep([1])
    decoding.cache.admit()  # type: ignore[attr-defined]
    decoding.read(Packed.of([rows[2][:10]]), sequences=[1])
    rest = decoding.read(Packed.of([rows[1][6:], rows[2][10:]])).split([3, 3])
    for mine, row in zip(rest, rows[1:], strict=True):
        assert torch.allclose(mine, model(Packed.of([row]))[-3:], atol=1e-12)
    assert len(pages) - pages.num_free == 3 + 4
    decoding.forget([2, 4])
    assert len(pages) - pages.num_free == 1 + 1
    del decoding
    assert pages.num_free == len(pages)
