"""The rows a head reads are the rows of the whole: values and gradients."""

from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from mason.models.transformer import Transformer
from tests.models.small import SPECS, TOPOLOGIES, Topology, build, streams

LENGTHS = [3, 1, 7, 5]


@pytest.mark.parametrize("topology", TOPOLOGIES)
@pytest.mark.parametrize("recompute", (False, True))
def test_some_rows_are_those_of_all(topology: Topology, recompute: bool) -> None:
    model = build(topology)
    for stack in (model.encoder, model.decoder):
        if stack is not None:
            stack.recompute = recompute
    batch = streams(topology, LENGTHS)
    at = torch.tensor([0, 3, 2, 3])
    found = []
    for few in (False, True):
        model.zero_grad()
        rows = model(*batch, at=at) if few else model(*batch).index_select(0, at)
        rows.square().sum().backward()
        grads = [p.grad for p in model.parameters() if p.grad is not None]
        found.append([rows.detach(), *(g.clone() for g in grads)])
    assert len(found[0]) == len(found[1]) > 10
    for whole, some in zip(*found, strict=True):
        torch.testing.assert_close(some, whole, atol=1e-12, rtol=1e-12)


@pytest.mark.parametrize("pool", ("first", "last", "mean"))
def test_a_pooling_head_reads_its_rows(pool: str) -> None:
    spec = SPECS["encoder"]
    head = replace(spec.heads["classification"], pool=pool)  # type: ignore[arg-type]
    torch.manual_seed(3)
    model = Transformer(replace(spec, heads={"classification": head})).double().eval()
    (packed,) = streams("encoder", LENGTHS)
    hidden = model(packed)
    starts = torch.tensor([0, 3, 4, 11, 16])
    whole = [hidden[a:b] for a, b in pairwise(starts)]
    wanted = {"first": [w[0] for w in whole], "last": [w[-1] for w in whole]}
    rows = torch.stack(wanted.get(pool) or [w.mean(0) for w in whole])
    asked = model.heads["classification"]
    torch.testing.assert_close(model.logits("classification", packed), asked(rows))


def test_the_last_feed_forward_sees_only_the_rows_asked_for() -> None:
    model = build("encoder")
    seen: list[int] = []
    assert model.encoder is not None
    for layer in model.encoder.layers:
        layer.feed_forward.register_forward_pre_hook(lambda m, given: seen.append(len(given[0])))
    model(*streams("encoder", LENGTHS), at=torch.tensor([0, 3]))
    assert seen == [sum(LENGTHS), 2]
