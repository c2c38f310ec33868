"""Attention's one kernel on CUDA: without such a device, its arguments and shapes.

What the kernel computes is checked on a machine that has one by ``mason selfcheck``, and below
where the tests run on one. Elsewhere the five lines stand in for it, told what it was told.
"""

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn.attention import varlen

from mason.layers import Attention, AttentionPlan, AttentionSpec, Layout, Sight, flat
from mason.layers.attention import reference_attention

CUDA = torch.cuda.is_available()


def _stand_in(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    cu_seq_q: Tensor,
    cu_seq_k: Tensor,
    max_q: int,
    max_k: int,
    *,
    scale: float,
    window_size: tuple[int, int],
    enable_gqa: bool,
) -> Tensor:
    """What the documentation of the kernel says that it does."""
    assert cu_seq_q.dtype == cu_seq_k.dtype == torch.int32
    assert max_q == int(cu_seq_q.diff().max()) and max_k == int(cu_seq_k.diff().max())
    assert enable_gqa == (query.shape[1] != key.shape[1])
    left, right = window_size
    mixed = []
    for i in range(len(cu_seq_q) - 1):
        q = query[cu_seq_q[i] : cu_seq_q[i + 1]].transpose(0, 1)
        k, v = (x[cu_seq_k[i] : cu_seq_k[i + 1]].transpose(0, 1) for x in (key, value))
        k, v = (x.repeat_interleave(len(q) // len(k), dim=0) for x in (k, v))
        behind = torch.arange(q.shape[1])[:, None] - torch.arange(k.shape[1])
        mask = torch.ones_like(behind, dtype=torch.bool)
        mask &= (behind <= left) | torch.tensor(left < 0)
        mask &= (-behind <= right) | torch.tensor(right < 0)
        scaled = q * scale * q.shape[-1] ** 0.5
        mixed.append(reference_attention(scaled, k, v, mask.expand(len(q), -1, -1)).transpose(0, 1))
    return torch.cat(mixed)


def _both(
    monkeypatch: pytest.MonkeyPatch, sight: Sight, spec: AttentionSpec
) -> tuple[Tensor, Tensor]:
    torch.manual_seed(0)
    attention, layout = Attention(spec, 48).eval(), Layout([5, 17, 1, 11])
    plan, x = AttentionPlan(layout, layout), torch.randn(34, 48)
    groups = attention(x, plan, plan.biases(sight, None, x.dtype))
    calls = []

    def kernel(*args: Tensor, **named: object) -> Tensor:
        calls.append(named)
        return _stand_in(*args, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(flat, "serves", lambda *_: True)
    monkeypatch.setattr(varlen, "varlen_attn", kernel)
    one = attention(x, plan, plan.biases(sight, None, x.dtype))
    assert len(calls) == (spec.softcap is None)
    return groups, one


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("window", [None, 3])
@pytest.mark.parametrize("heads", [6, 2])
def test_the_kernel_is_told_what_the_groups_are(
    monkeypatch: pytest.MonkeyPatch, causal: bool, window: int | None, heads: int
) -> None:
    spec = AttentionSpec(num_heads=6, num_kv_heads=heads, scale=0.3)
    groups, one = _both(monkeypatch, Sight(causal, window), spec)
    torch.testing.assert_close(one, groups, atol=1e-5, rtol=1e-5)


def test_squashed_scores_stay_with_the_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    groups, one = _both(monkeypatch, Sight(), AttentionSpec(num_heads=6, softcap=2.0))
    assert torch.equal(one, groups)


def test_what_the_kernel_does_not_take() -> None:
    plan = AttentionPlan(layout := Layout([3, 5]), layout)
    later = AttentionPlan(Layout([1, 1], past=[2, 4]), layout)
    with FakeTensorMode(allow_non_fake_inputs=True):

        def rows(width: int, dtype: torch.dtype, device: str = "cuda") -> Tensor:
            return torch.empty(8, 4, width, dtype=dtype, device=device)

        half = rows(64, torch.bfloat16)
        assert flat.serves(half, half, half, plan, 0.0)
        assert not flat.serves(half, half, half, later, 0.0)
        assert not flat.serves(half, half, half, plan, 0.1), "it does not drop"
        for other in (
            rows(64, torch.float32),
            rows(60, torch.bfloat16),
            rows(512, torch.float16),
            rows(64, torch.float32, "cpu"),
        ):
            assert not flat.serves(other, other, other, plan, 0.0)


def test_the_kernel_s_own_signature_and_shapes() -> None:
    """PyTorch's kernel for tensors without memory: our call is one that it accepts."""
    with FakeTensorMode(allow_non_fake_inputs=True):
        query, key = (
            torch.empty(8, heads, 64, dtype=torch.bfloat16, device="cuda") for heads in (4, 2)
        )
        layout = Layout([3, 5])
        plan = AttentionPlan(layout, layout)
        mixed = flat.attend(query, key, key, plan, Sight(causal=True), scale=0.125)
        assert mixed.shape == query.shape and mixed.dtype == query.dtype


@pytest.mark.skipif(not CUDA, reason="no CUDA device")
@pytest.mark.parametrize("causal", [False, True])
def test_on_the_device(causal: bool) -> None:
    torch.manual_seed(0)
    spec = AttentionSpec(num_heads=6, num_kv_heads=2)
    attention = Attention(spec, 384).cuda()
    layout = Layout([5, 17, 1, 11], device="cuda")
    plan, x = AttentionPlan(layout, layout), torch.randn(34, 384, device="cuda")
    exact = attention(x, plan, plan.biases(Sight(causal), None, x.dtype))
    with torch.autocast("cuda", torch.bfloat16):
        fast = attention(x, plan, plan.biases(Sight(causal), None, x.dtype))
    torch.testing.assert_close(fast.float(), exact, atol=2e-2, rtol=2e-2)
