"""Layers that start again from random weights, and those that do not."""

import pytest
import torch

from mason.errors import SettingsError
from mason.models.spec import Topology
from mason.models.transformer import Transformer, renew_top
from tests.models.small import SPECS, TOPOLOGIES


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_the_last_layers_are_new_and_the_others_as_they_were(topology: Topology) -> None:
    model = Transformer(SPECS[topology])
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(0.5)
    names = renew_top(model, 1)
    new = {n for n, p in model.named_parameters() if not (p == 0.5).all()}
    last = f"{'encoder' if topology == 'encoder' else 'decoder'}.layers."
    assert new == set(names) and len({n.split(".")[2] for n in names}) == 1
    assert all(name.startswith(last) for name in names)
    matrices = torch.cat(
        [p.flatten() for n, p in model.named_parameters() if n in new and p.ndim > 1]
    )
    assert matrices.std().item() == pytest.approx(0.2, rel=0.1) and abs(matrices.mean()) < 0.02
    norms = [
        p for n, p in model.named_parameters() if n in new and p.ndim == 1 and n.endswith("weight")
    ]
    assert norms and all((p == 1).all() for p in norms)


def test_no_more_than_there_are() -> None:
    with pytest.raises(SettingsError, match="has 2 layers"):
        renew_top(Transformer(SPECS["encoder"]), 3)
