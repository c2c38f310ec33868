"""Every family beside transformers: layer by layer, logits, padding, caches, and back."""

from collections.abc import Iterator

import pytest
import torch

from benchmarks.parity_cases import CASES
from benchmarks.parity_oracle import Pair
from mason.models.families import FAMILIES

CLOSE = 1e-5
SAME = 1e-6


@pytest.fixture(scope="module", params=CASES, ids=lambda case: case.name)
def pair(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pair]:
    yield Pair.random(request.param, tmp_path_factory.mktemp("pair"))


def test_every_weight_is_read(pair: Pair) -> None:
    assert pair.checkpoint.fresh == ()
    assert pair.checkpoint.dropped == ()


def test_hidden_states_of_every_layer(pair: Pair) -> None:
    assert pair.hidden() <= CLOSE


def test_logits(pair: Pair) -> None:
    assert pair.logits() <= CLOSE


def test_logits_beside_a_padded_batch(pair: Pair) -> None:
    if pair.case.alone:
        pytest.skip("in transformers, the longest of a batch changes the others")
    assert pair.padded() <= CLOSE


def test_batched_is_single(pair: Pair) -> None:
    assert pair.batched() <= SAME


def test_cached_decoding(pair: Pair) -> None:
    if not pair.decodes:
        pytest.skip("nothing is decoded step by step")
    assert pair.cached() <= CLOSE


def test_round_trip(pair: Pair) -> None:
    worst, said = pair.round_trip()
    assert said == ({"missing_keys": set(pair.case.unread)} if pair.case.unread else {})
    assert worst <= SAME
    again = pair.again()
    assert again.model.spec == pair.ours.spec
    assert (again.fresh, again.dropped) == ((), ())
    mine, theirs = pair.ours.state_dict(), again.model.state_dict()
    assert mine.keys() == theirs.keys()
    assert all(torch.equal(mine[name], theirs[name]) for name in mine)


def test_every_listed_class_has_a_row() -> None:
    rows = {case.model for case in CASES}
    listed = {name for family in FAMILIES.values() for name in family.architectures}
    assert listed <= rows
