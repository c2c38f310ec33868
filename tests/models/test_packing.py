"""A packed batch is its sequences, each alone: outputs, gradients, accumulation."""

import copy
from functools import cache

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from mason.errors import DataError
from mason.layers import Layout
from mason.models.packed import Packed
from mason.models.spec import Topology
from mason.models.transformer import Transformer
from tests.models.small import LONGEST, TOPOLOGIES, VOCABULARY, Streams, build, singles, streams

some_lengths = st.lists(st.integers(1, LONGEST), min_size=1, max_size=7)


_built = cache(build)


def _distance(mine: Tensor, theirs: Tensor) -> float:
    """Largest difference, as a share of the largest value."""
    return ((mine - theirs).abs().max() / theirs.abs().max()).item()


@pytest.mark.parametrize(("dtype", "close"), [(torch.float64, 1e-13), (torch.float32, 1e-6)])
@pytest.mark.parametrize("topology", TOPOLOGIES)
@settings(max_examples=10)
@given(lengths=some_lengths)
def test_batched_is_single(
    topology: Topology, dtype: torch.dtype, close: float, lengths: list[int]
) -> None:
    model, batch = _built(topology, dtype), streams(topology, lengths)
    with torch.no_grad():
        alone = torch.cat([model(*single) for single in singles(batch)])
        assert _distance(model(*batch), alone) <= close
        for head in model.heads:
            alone = torch.cat([model.logits(head, *single) for single in singles(batch)])
            assert _distance(model.logits(head, *batch), alone) <= close


def _loss(model: Transformer, batch: Streams) -> Tensor:
    """Summed over tokens and sequences, the wanted outputs being functions of the tokens."""
    last = batch[-1]
    words = F.cross_entropy(
        model.logits("language", *batch), (last.tokens * 7 + 3) % VOCABULARY, reduction="sum"
    )
    classes = last.tokens[last.layout.first] % 5
    return words + F.cross_entropy(model.logits("classification", *batch), classes, reduction="sum")


def _gradients(model: Transformer, batches: list[Streams]) -> dict[str, Tensor]:
    model.zero_grad()
    for batch in batches:
        _loss(model, batch).backward()
    found = {}
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        found[name] = parameter.grad.clone()
    return found


@pytest.mark.parametrize("topology", TOPOLOGIES)
@settings(max_examples=5)
@given(lengths=some_lengths)
def test_gradients_are_the_sum_of_single_ones(topology: Topology, lengths: list[int]) -> None:
    model, batch = build(topology), streams(topology, lengths)
    mine, theirs = _gradients(model, [batch]), _gradients(model, singles(batch))
    for name, gradient in mine.items():
        assert torch.isfinite(gradient).all(), name
        assert (gradient - theirs[name]).abs().max() <= 1e-10 * (1 + theirs[name].abs().max()), name


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_sixteen_at_once_are_sixteen_accumulated(topology: Topology) -> None:
    """In fp32: gradients to 1e-6 of the largest, and a step of SGD after them."""
    lengths = [1 + 7 * i % LONGEST for i in range(16)]
    once = build(topology, torch.float32)
    again, batch = copy.deepcopy(once), streams(topology, lengths)
    mine, theirs = _gradients(once, [batch]), _gradients(again, singles(batch))
    largest = max(g.abs().max() for g in theirs.values())
    for name in mine:
        assert (mine[name] - theirs[name]).abs().max() / largest <= 1e-6, name
    for model in (once, again):
        torch.optim.SGD(model.parameters(), lr=1e-3).step()
    for ours, other in zip(once.parameters(), again.parameters(), strict=True):
        assert torch.allclose(ours, other, atol=1e-6 * largest.item())


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_gradients_through_empty_slots_and_windows_are_finite(topology: Topology) -> None:
    model = build(topology, torch.float32)
    for lengths in ([LONGEST, 19, 23], [1], [1, 2, LONGEST]):
        for name, gradient in _gradients(model, [streams(topology, lengths)]).items():
            assert torch.isfinite(gradient).all(), (name, lengths)


@given(
    lengths=st.lists(st.integers(1, 13), min_size=1, max_size=7),
    left=st.booleans(),
    typed=st.booleans(),
)
def test_padding_is_dropped_wherever_it_is(lengths: list[int], left: bool, typed: bool) -> None:
    longest = max(lengths)
    tokens, mask, types = (torch.zeros(len(lengths), longest, dtype=torch.long) for _ in range(3))
    rows = [list(range(10 * i + 1, 10 * i + 1 + n)) for i, n in enumerate(lengths)]
    for i, row in enumerate(rows):
        place = slice(longest - len(row), None) if left else slice(0, len(row))
        tokens[i, place], mask[i, place] = torch.tensor(row), 1
        types[i, place] = torch.tensor(row) % 3
    for kind in (mask, mask.bool()):
        packed = Packed.from_padded(tokens, kind, types if typed else None)
        assert packed.lengths == lengths
        assert packed.tokens.tolist() == [token for row in rows for token in row]
        assert (packed.token_types is not None) == typed
        if packed.token_types is not None:
            assert torch.equal(packed.token_types, packed.tokens % 3)


def test_without_a_mask_nothing_is_padding() -> None:
    packed = Packed.from_padded(torch.zeros(2, 3, dtype=torch.long))
    assert packed.lengths == [3, 3]


def test_a_row_without_a_token_is_refused() -> None:
    mask = torch.tensor([[1, 1], [0, 0]])
    with pytest.raises(DataError, match="Row 2 of the batch has no token"):
        Packed.from_padded(torch.zeros(2, 2, dtype=torch.long), mask)


def test_shifted_moves_each_sequence_by_itself() -> None:
    packed = Packed.of([[5, 6, 7], [8], [9, 3]])
    shifted = packed.shifted(1)
    assert shifted.tokens.tolist() == [1, 5, 6, 1, 1, 9]
    assert shifted.lengths == [3, 1, 2]
    assert packed.tokens.tolist() == [5, 6, 7, 8, 9, 3]


def test_of_packs_end_to_end() -> None:
    packed = Packed.of([[5, 6], [7]], [[0, 1], [2]])
    assert packed.tokens.tolist() == [5, 6, 7]
    assert packed.token_types is not None and packed.token_types.tolist() == [0, 1, 2]
    assert isinstance(packed.layout, Layout) and packed.lengths == [2, 1]
