"""Attention of whole sequences by tiles: the five lines, there and back, and nothing of others."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from mason.layers import Attention, AttentionPlan, AttentionSpec, Layout, Sight, flat, native
from mason.layers.attention import reference_attention
from mason.layers.positions import rotate

HALF = torch.empty(0, 1, 32, dtype=torch.bfloat16)
pytestmark = pytest.mark.skipif(
    not native.has_varlen_attention(HALF, HALF, HALF),
    reason="no compiled kernels, or no tiles of bf16",
)
SIGHTS = [Sight(), Sight(causal=True), Sight(causal=True, window=70), Sight(window=40)]


def _rows(num: int, heads: int, width: int) -> Tensor:
    """Rows that lie apart, as those of a fused projection do."""
    wide = torch.randn(num, heads * width + 24).bfloat16()
    return wide[:, : heads * width].unflatten(1, (heads, width)).detach()


def _plainly(
    rows: Sequence[Tensor], plan: AttentionPlan, sight: Sight, scale: float, kept: Tensor | None
) -> Tensor:
    """The five lines in fp32, a sequence at a time; ``kept``: factors of weights [h, T, most]."""
    query, key, value = (x.transpose(0, 1) for x in rows)
    mixed, at, from_ = [], 0, 0
    for queries, keys in zip(plan.queries.lengths, plan.keys.lengths, strict=True):
        q = query[:, at : at + queries]
        k, v = (x[:, from_ : from_ + keys] for x in (key, value))
        k, v = (x.repeat_interleave(len(q) // len(k), 0) for x in (k, v))
        behind = torch.arange(queries)[:, None] - torch.arange(keys)
        mask = torch.ones_like(behind, dtype=torch.bool)
        if sight.causal:
            mask &= behind >= 0
        if sight.window is not None:
            mask &= behind.abs() < sight.window
        if kept is None:
            mixed.append(
                reference_attention(
                    q * scale * q.shape[-1] ** 0.5, k, v, mask.expand(len(q), -1, -1)
                )
            )
        else:
            scores = (q @ k.mT * scale).masked_fill(~mask, -torch.inf)
            mixed.append(scores.softmax(-1) * kept[:, at : at + queries, :keys] @ v)
        at, from_ = at + queries, from_ + keys
    return torch.cat(mixed, 1).transpose(0, 1)


def _check(
    rows: Sequence[Tensor],
    plan: AttentionPlan,
    sight: Sight,
    turns: tuple[Tensor, Tensor] | None = None,
    dropping: float = 0.0,
    kept: Tensor | None = None,
) -> None:
    """What comes out and all three gradients, beside the five lines on the same bf16 numbers."""
    half = [x.requires_grad_() for x in rows]
    exact = [x.detach().float().requires_grad_() for x in rows]
    out = flat.attend(*half, plan, sight, scale=0.2, angles=turns, dropping=dropping)
    turned = exact if turns is None else [*(rotate(x, *turns) for x in exact[:2]), exact[2]]
    wanted = _plainly(turned, plan, sight, 0.2, kept)
    grad = torch.randn_like(wanted).bfloat16()
    out.backward(grad)
    wanted.backward(grad.float())
    for found, true in [
        (out, wanted),
        *((h.grad, e.grad) for h, e in zip(half, exact, strict=True)),
    ]:
        apart = (found.float() - true).norm() / true.norm()
        assert apart < 0.008, "a few roundings to bf16"
        assert (found.float() - true).abs().max() < 0.05 * true.abs().max()


@pytest.mark.parametrize("sight", SIGHTS)
@pytest.mark.parametrize("width", [64, 24])
def test_it_is_the_five_lines(sight: Sight, width: int) -> None:
    torch.manual_seed(0)
    layout = Layout([5, 64, 1, 130, 33])
    rows = [_rows(layout.num_rows, heads, width) for heads in (4, 2, 2)]
    _check(rows, AttentionPlan(layout, layout), sight)


@pytest.mark.parametrize("sight", SIGHTS)
def test_more_keys_than_are_looked_at_in_one_go(sight: Sight) -> None:
    torch.manual_seed(1)
    layout = Layout([1100])
    _check([_rows(1100, 2, 32) for _ in range(3)], AttentionPlan(layout, layout), sight)


def test_keys_of_other_rows() -> None:
    torch.manual_seed(2)
    plan = AttentionPlan(Layout([3, 40, 65]), Layout([90, 7, 64]))
    _check([_rows(num, 3, 48) for num in (108, 161, 161)], plan, Sight())


@pytest.mark.parametrize("width", [64, 20])
def test_angles_are_turned_within(width: int) -> None:
    torch.manual_seed(3)
    layout = Layout([9, 70])
    turns = torch.rand(79, width).cos(), torch.rand(79, width).sin()
    rows = [_rows(79, heads, width) for heads in (4, 2, 2)]
    _check(rows, AttentionPlan(layout, layout), Sight(causal=True), turns)


def _kept(seed: int, limit: int, heads: int, layout: Layout) -> Tensor:
    """The factors of weights, by the sentence in which the kernel counts them."""
    total, most = layout.num_rows, max(layout.lengths)
    kept = torch.zeros(heads, total, most)
    row = 0
    for length in layout.lengths:
        words = (length + 63) // 64 * 16
        for head in range(heads):
            place = (head * total + row + np.arange(length)[:, None]) * words + np.arange(words)
            x = place.astype(np.uint32) ^ np.uint32(seed % 2**32)
            x = (x ^ (x >> np.uint32(16))) * np.uint32(0x7FEB352D) ^ np.uint32(seed >> 32)
            x = (x ^ (x >> np.uint32(15))) * np.uint32(0x846CA68B)
            x ^= x >> np.uint32(16)
            drawn = x.view(np.uint8)[:, :length] >= limit
            kept[head, row : row + length, :length] = torch.from_numpy(drawn) * (
                256 / (256 - limit)
            )
        row += length
    return kept


@pytest.mark.parametrize("sight", SIGHTS[:2])
def test_weights_are_dropped_there_as_they_are_back(
    sight: Sight, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(4)
    layout, seed = Layout([130, 3, 64]), 0x1234567890ABCDEF
    monkeypatch.setattr(flat, "draw_seed", lambda: seed)
    rows = [_rows(197, heads, 32) for heads in (4, 2, 2)]
    kept = _kept(seed, 77, 4, layout)
    assert (kept > 0).float().sum() / kept.numel() > 0.2
    _check(rows, AttentionPlan(layout, layout), sight, dropping=0.3, kept=kept)


def test_a_sequence_gives_the_same_whatever_is_beside_it() -> None:
    torch.manual_seed(5)
    lengths = [33, 300, 1]
    rows = [_rows(334, 3, 64).requires_grad_() for _ in range(3)]
    plan = AttentionPlan(Layout(lengths), Layout(lengths))
    together = flat.attend(*rows, plan, Sight(causal=True), scale=0.125)
    grads = torch.autograd.grad(together.float().sin().sum(), rows)
    start = 0
    for length in lengths:
        own = slice(start, start + length)
        alone = AttentionPlan(Layout([length]), Layout([length]))
        one = flat.attend(*(x[own] for x in rows), alone, Sight(causal=True), scale=0.125)
        assert torch.equal(one, together[own])
        for found, true in zip(
            torch.autograd.grad(one.float().sin().sum(), rows), grads, strict=True
        ):
            assert torch.equal(found[own], true[own])
        start += length


def test_no_number_stays_none() -> None:
    rows = [torch.ones(40, 1, 32).bfloat16() for _ in range(3)]
    rows[0][7, 0, 3] = torch.nan
    plan = AttentionPlan(Layout([40]), Layout([40]))
    out = flat.attend(*rows, plan, Sight(), scale=1.0)
    assert out[7].isnan().all() and not out[:7].isnan().any() and not out[8:].isnan().any()


@pytest.mark.parametrize("tiles", [True, False], ids=["tiles", "without"])
@pytest.mark.parametrize("lengths", [[5, 64, 33], [300, 7]], ids=["short", "long"])
def test_the_block_learns_in_bf16_as_it_does_in_fp32(tiles: bool, lengths: list[int]) -> None:
    """Processors without tiles go other ways, by PyTorch's products and kernels."""
    torch.manual_seed(6)
    block = Attention(AttentionSpec(num_heads=4, num_kv_heads=2), 128)
    layout = Layout(lengths)
    plan, x = AttentionPlan(layout, layout), torch.randn(layout.num_rows, 128)
    turns = torch.rand(layout.num_rows, 32).cos(), torch.rand(layout.num_rows, 32).sin()

    def learned(dtype: torch.dtype) -> list[Tensor]:
        rows = x.clone().requires_grad_()
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype is torch.bfloat16):
            biases = plan.biases(Sight(causal=True), None, dtype)
            out = block(rows, plan, biases, angles=turns)
        block.zero_grad()
        out.float().sin().sum().backward()
        return [out.float(), rows.grad, *(p.grad for p in block.parameters())]

    exact = learned(torch.float32)
    found = native.library()
    assert found is not None
    with native.using(next(v for v in found.variants if tiles or v != "amx")):
        half = learned(torch.bfloat16)
    for ours, true in zip(half, exact, strict=True):
        assert (ours - true).norm() < 0.02 * true.norm()
