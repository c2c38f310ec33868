"""Every family beside transformers: layer by layer, logits, padding, caches, and back."""

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForMaskedLM

from benchmarks.parity_cases import CASES, OWN
from benchmarks.parity_oracle import LIMITS, Pair
from mason.models.checkpoints import load_model
from mason.models.families import FAMILIES
from mason.models.packed import Packed
from mason.models.saving import save_model
from mason.models.shapes import family_of, shape
from mason.models.transformer import Transformer


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
    assert listed <= rows | {OWN}


def test_a_modernbert_that_learned_pairs_is_read_elsewhere(tmp_path: Path) -> None:
    """Both heads come back; transformers reads the one it knows, and computes the same."""
    heads = ("language", "next_sentence")
    made = Transformer(shape("modernbert-tiny", heads=heads, vocab_size=61, pad_token_id=0)).eval()
    save_model(made, family_of("modernbert-tiny"), tmp_path)
    again = load_model(tmp_path)
    assert (again.fresh, again.dropped, tuple(again.model.heads)) == ((), (), heads)
    theirs = AutoModelForMaskedLM.from_pretrained(tmp_path).eval()
    ids = torch.randint(1, 61, (40,), generator=torch.Generator().manual_seed(0))
    packed = Packed.of([ids.tolist()])
    with torch.no_grad():
        mine, other = again.model.logits("language", packed), theirs(ids[None]).logits[0]
        assert torch.allclose(mine, other, atol=1e-5)
        first, second = (m.logits("next_sentence", packed) for m in (made, again.model.eval()))
    assert torch.equal(first, second)
