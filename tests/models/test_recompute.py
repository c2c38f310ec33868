"""Activations computed again are the same activations, dropout's draws included."""

import pytest
import torch

from mason.models.spec import Topology
from mason.models.transformer import set_dropout, set_recompute
from tests.training.small import build, objective

TOPOLOGIES: tuple[Topology, ...] = ("encoder", "decoder", "encoder-decoder")


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_gradients_are_equal_with_dropout(topology: Topology) -> None:
    learned, found = objective(6), []
    for again in (False, True):
        model = build(topology)
        set_dropout(model, 0.3)
        set_recompute(model, again)
        model.train()
        torch.manual_seed(11)
        loss = learned.loss(model, range(6))
        loss.backward()
        found.append([loss] + [p.grad for p in model.parameters() if p.grad is not None])
    kept, computed = found
    assert len(kept) == len(computed) > 10
    assert all(torch.equal(a, b) for a, b in zip(kept, computed, strict=True))


def test_less_is_remembered() -> None:
    def remembered(again: bool) -> int:
        model = build("encoder")
        set_recompute(model, again)
        held: dict[int, int] = {}

        def pack(x: torch.Tensor) -> torch.Tensor:
            held[x.data_ptr()] = x.numel()
            return x

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
            objective(16).loss(model, range(16))
        return sum(held.values())

    assert remembered(True) < 0.5 * remembered(False)
