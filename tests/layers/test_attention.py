"""Every path of attention beside the five-line reference, sequence by sequence."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from mason.errors import SettingsError
from mason.layers import (
    Alibi,
    Attention,
    AttentionSpec,
    Cache,
    Layout,
    NormSpec,
    RelativeBias,
    RelativeSpec,
    Rotary,
    RotarySpec,
    Sight,
    reference_attention,
)
from tests.layers.oracle import (
    LENGTHS,
    Sees,
    alone,
    earlier,
    everything,
    mask_of,
    near,
    near_earlier,
    packed,
    rows_of,
)

WIDTH, HEAD_WIDTH, HEADS = 23, 10, 6
EXACT = 1e-12
SIGHTS = {
    "bidirectional": (Sight(), everything),
    "causal": (Sight(causal=True), earlier),
    "window": (Sight(window=3), near(3)),
    "window of one": (Sight(window=1), near(1)),
    "causal window": (Sight(causal=True, window=5), near_earlier(5)),
}


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(17)


def _attention(**changes: object) -> Attention:
    """In fp64, and with weights large enough for sharp attention."""
    cross = bool(changes.pop("cross", False))
    spec = AttentionSpec(num_heads=HEADS, head_width=HEAD_WIDTH, **changes)
    attention = Attention(spec, WIDTH, cross=cross).double().eval()
    for parameter in attention.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    return attention


def _rows(layout: Layout) -> Tensor:
    return torch.randn(layout.num_rows, WIDTH, dtype=torch.float64)


def _apart(mine: Tensor, theirs: list[Tensor]) -> float:
    return (mine - torch.cat(theirs)).abs().max().item()


def test_the_reference_by_hand() -> None:
    query, key = torch.tensor([[2.0, 0, 0, 0]]), torch.tensor([[1.0, 0, 0, 0], [0, 1.0, 0, 0]])
    value = torch.tensor([[1.0], [0.0]])
    share = math.exp(1) / (math.exp(1) + 1)  # scores 2 / sqrt(4) and 0
    assert reference_attention(query, key, value).item() == pytest.approx(share)
    mask = torch.tensor([[False, True]])
    assert reference_attention(query, key, value, mask).item() == 0.0


@pytest.mark.parametrize("shared", [6, 3, 1], ids=["multi-head", "grouped-query", "multi-query"])
@pytest.mark.parametrize("kind", SIGHTS)
def test_self_attention(kind: str, shared: int) -> None:
    sight, sees = SIGHTS[kind]
    attention, layout = _attention(num_kv_heads=shared), Layout(LENGTHS)
    x = _rows(layout)
    theirs = [alone(attention, r, mask_of(sees, len(r), len(r))) for r in rows_of(x, layout)]
    assert _apart(packed(attention, x, layout, sight), theirs) < EXACT


@pytest.mark.parametrize("bias", [True, False])
def test_biases_are_there_or_not(bias: bool) -> None:
    attention = _attention(bias=bias, output_bias=not bias)
    assert (attention.query_key_value.bias is not None) == bias
    assert (attention.output.bias is not None) != bias
    layout = Layout(LENGTHS)
    x = _rows(layout)
    theirs = [alone(attention, r, mask_of(everything, len(r), len(r))) for r in rows_of(x, layout)]
    assert _apart(packed(attention, x, layout, Sight()), theirs) < EXACT


@pytest.mark.parametrize("shared", [6, 2])
def test_cross_attention(shared: int) -> None:
    attention = _attention(num_kv_heads=shared, cross=True)
    queries, keys = Layout(LENGTHS), Layout([3, 17, 2, 5, 19, 2, 11])
    x, source = _rows(queries), _rows(keys)
    theirs = [
        alone(attention, r, mask_of(everything, len(r), len(s)), source=s)
        for r, s in zip(rows_of(x, queries), rows_of(source, keys), strict=True)
    ]
    mine = packed(attention, x, queries, Sight(), keys=keys, source=source)
    assert _apart(mine, theirs) < EXACT


@settings(max_examples=20)
@given(
    lengths=st.lists(st.integers(1, 23), min_size=1, max_size=7),
    causal=st.booleans(),
    window=st.none() | st.integers(1, 11),
)
def test_any_lengths(lengths: list[int], causal: bool, window: int | None) -> None:
    attention, layout = _attention(num_kv_heads=2), Layout(lengths)
    x = _rows(layout)
    reach = window or 99
    sees: Sees = near_earlier(reach) if causal else near(reach)
    theirs = [alone(attention, r, mask_of(sees, len(r), len(r))) for r in rows_of(x, layout)]
    assert _apart(packed(attention, x, layout, Sight(causal, window)), theirs) < EXACT


def test_softcap() -> None:
    cap, layout = 1.3, Layout(LENGTHS)  # scores here go up to about 9
    attention = _attention(softcap=cap)
    x = _rows(layout)

    def weigh(head: int, query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
        scores = query @ key.T / math.sqrt(HEAD_WIDTH)
        scores = cap * torch.tanh(scores / cap)
        return torch.softmax(scores.masked_fill(~mask, -torch.inf), -1) @ value

    theirs = [
        alone(attention, r, mask_of(earlier, len(r), len(r)), weigh=weigh)
        for r in rows_of(x, layout)
    ]
    assert _apart(packed(attention, x, layout, Sight(causal=True)), theirs) < EXACT


@pytest.mark.parametrize(
    ("given", "factor"), [({"scale": 1.0}, 1.0), ({"scale_base": 17.0}, 17**-0.5)]
)
def test_scale(given: dict[str, float], factor: float) -> None:
    attention, layout = _attention(**given), Layout(LENGTHS)
    x = _rows(layout)

    def weigh(head: int, query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
        return torch.softmax(query @ key.T * factor, -1) @ value

    theirs = [
        alone(attention, r, mask_of(everything, len(r), len(r)), weigh=weigh)
        for r in rows_of(x, layout)
    ]
    assert _apart(packed(attention, x, layout, Sight()), theirs) < EXACT


@pytest.mark.parametrize("causal", [True, False])
@pytest.mark.parametrize("kind", ["relative", "alibi"])
def test_biases_on_distance(kind: str, causal: bool) -> None:
    """Each pair's bias looked up on its own, for its own head."""
    attention, layout = _attention(num_kv_heads=3), Layout(LENGTHS)
    x = _rows(layout)
    bias: RelativeBias | Alibi = Alibi(HEADS).double()
    if kind == "relative":
        bias = RelativeBias(RelativeSpec(8, 11), HEADS, causal=causal).double()
        torch.nn.init.normal_(bias.weight)

    def weigh(head: int, query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
        scores = query @ key.T / math.sqrt(HEAD_WIDTH)
        for q in range(len(query)):
            for k in range(len(key)):
                if kind == "alibi":
                    scores[q, k] -= bias.slopes[head] * abs(q - k)
                else:
                    scores[q, k] += bias.weight[int(bias.buckets(torch.tensor(k - q))), head]
        return torch.softmax(scores.masked_fill(~mask, -torch.inf), -1) @ value

    sees = earlier if causal else everything
    with torch.no_grad():
        theirs = [
            alone(attention, r, mask_of(sees, len(r), len(r)), weigh=weigh)
            for r in rows_of(x, layout)
        ]
        mine = packed(attention, x, layout, Sight(causal), bias=bias)
    assert _apart(mine, theirs) < EXACT


def test_rotary() -> None:
    """Queries and keys are turned, values are not, and positions begin anew in each sequence."""
    attention, layout, rotary = _attention(), Layout(LENGTHS), Rotary(RotarySpec(31.0), HEAD_WIDTH)
    x = _rows(layout)

    def turn(head: Tensor) -> Tensor:
        half = HEAD_WIDTH // 2
        speeds = 31.0 ** (-torch.arange(half, dtype=torch.float64) / half)
        angles = torch.arange(len(head), dtype=torch.float64)[:, None] * speeds
        turned = torch.complex(head[:, :half], head[:, half:]) * torch.exp(1j * angles)
        return torch.cat([turned.real, turned.imag], dim=-1)

    theirs = [
        alone(attention, r, mask_of(earlier, len(r), len(r)), turn=turn) for r in rows_of(x, layout)
    ]
    mine = packed(attention, x, layout, Sight(causal=True), angles=rotary(layout))
    assert _apart(mine, theirs) < 1e-5  # angles are fp32


def test_norms_on_queries_and_keys() -> None:
    """Each head is normed by itself, before rotation; values are left alone."""
    attention, layout = _attention(query_key_norm=NormSpec("layer")), Layout(LENGTHS)
    x = _rows(layout)

    def weigh(head: int, query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
        query, key = attention.query_norm(query), attention.key_norm(key)
        return reference_attention(query, key, value, mask)

    theirs = [
        alone(attention, r, mask_of(everything, len(r), len(r)), weigh=weigh)
        for r in rows_of(x, layout)
    ]
    assert _apart(packed(attention, x, layout, Sight()), theirs) < EXACT


def test_cached_rows_are_the_whole() -> None:
    """Two sequences of unequal length, some rows at once, then the rest in unequal pieces."""
    attention, lengths, window = _attention(num_kv_heads=3), [11, 7], 5
    rows = [torch.randn(n, WIDTH, dtype=torch.float64) for n in lengths]
    whole = [alone(attention, r, mask_of(near_earlier(window), len(r), len(r))) for r in rows]
    cache, done = Cache(1, 2, capacity=13), [0, 0]
    for sizes in ([5, 2], [1, 1], [1, 3], [4, 1]):
        parts = [r[d : d + n] for r, d, n in zip(rows, done, sizes, strict=True)]
        new, keys = cache.advance(sizes, torch.device("cpu"))
        sight = Sight(causal=True, window=window)
        mine = packed(attention, torch.cat(parts), new, sight, keys=keys, cache=cache.layers[0])
        theirs = [w[d : d + n] for w, d, n in zip(whole, done, sizes, strict=True)]
        assert _apart(mine, theirs) < EXACT
        done = [d + n for d, n in zip(done, sizes, strict=True)]
    assert done == lengths == cache.lengths


def test_dropout_is_for_training_and_keeps_the_mean() -> None:
    copies, length = 701, 5
    attention, layout = _attention(dropout=0.5), Layout([length] * copies)
    x = _rows(Layout([length])).repeat(copies, 1)
    still = packed(attention, x, layout, Sight())
    assert torch.allclose(still, still[:length].repeat(copies, 1))
    many = packed(attention.train(), x, layout, Sight()).view(copies, length, WIDTH).detach()
    assert not torch.allclose(many[0], many[1])
    off = (many.mean(0) - still[:length]).abs() / (many.std(0) / math.sqrt(copies))
    assert off.mean() < 1.5  # standard errors; 0.8 is expected


def test_no_gradient_is_lost_or_made_by_empty_slots() -> None:
    """A window narrower than the shortest sequence's empty slots hides them wholly."""
    attention, layout = _attention(), Layout([13, 11, 9])
    x = _rows(layout).requires_grad_()
    packed(attention, x, layout, Sight(window=2)).square().sum().backward()
    assert x.grad is not None
    mine = x.grad.clone()
    expected = []
    for r in rows_of(x.detach(), layout):
        r.requires_grad_()
        alone(attention, r, mask_of(near(2), len(r), len(r))).square().sum().backward()
        assert r.grad is not None
        expected.append(r.grad)
    assert torch.isfinite(mine).all()
    assert _apart(mine, expected) < 1e-10


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_hidden_pairs_have_no_weight_in_half_precision(dtype: torch.dtype) -> None:
    """A later row of one sequence, or any row of another, changes nothing at all."""
    attention, layout = _attention().to(dtype), Layout([7, 11])
    x = _rows(layout).to(dtype)
    before = packed(attention, x, layout, Sight(causal=True, window=3))
    changed = x.clone()
    changed[5:] = 100.0
    after = packed(attention, changed, layout, Sight(causal=True, window=3))
    assert torch.isfinite(before).all()
    assert torch.equal(before[:5], after[:5])


def test_heads_that_cannot_share_evenly_are_refused() -> None:
    with pytest.raises(SettingsError, match="6 attention heads cannot share 4 key"):
        AttentionSpec(num_heads=6, num_kv_heads=4)
    with pytest.raises(SettingsError, match="width of 23 cannot be cut into 6"):
        Attention(AttentionSpec(num_heads=6), 23)
