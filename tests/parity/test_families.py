"""Every family beside transformers: layer by layer, logits, padding, caches, and back."""

import pytest
import torch

from benchmarks.parity_cases import CASES
from benchmarks.parity_oracle import LIMITS, Pair
from mason.models.families import FAMILIES


@pytest.fixture(scope="module", params=CASES, ids=lambda case: case.name)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return Pair.random(request.param, tmp_path_factory.mktemp("pair"))


def test_every_weight_is_read(pair: Pair) -> None:
    assert pair.checkpoint.fresh == ()
    assert pair.checkpoint.dropped == ()


def test_layers_outputs_masks_caches_and_batches(pair: Pair) -> None:
    found = dict(pair.distances())
    assert {name: far for name, far in found.items() if far > LIMITS[name]} == {}


def test_round_trip(pair: Pair) -> None:
    worst, said = pair.round_trip()
    assert said == ({"missing_keys": set(pair.case.unread)} if pair.case.unread else {})
    assert worst <= LIMITS["return"]
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
