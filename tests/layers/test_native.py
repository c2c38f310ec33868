"""The compiled kernels beside the plain paths, for every instruction set of this processor."""

import threading
from collections.abc import Callable, Iterator

import pytest
import torch
import torch.nn.functional as F

from mason.layers import (
    Attention,
    AttentionPlan,
    AttentionSpec,
    Cache,
    FeedForward,
    FeedForwardSpec,
    FusedLinear,
    Int8Embedding,
    Int8Linear,
    Linear,
    NormSpec,
    RMSNorm,
    Rotary,
    RotarySpec,
    Sight,
    hold_in_int8,
    native,
)
from mason.layers.int8 import rounded_to_int8
from mason.layers.native.library import load

BUILT = native.library()
VARIANTS = BUILT.variants if BUILT else []
pytestmark = pytest.mark.skipif(not BUILT, reason="the kernels are not built: there is no compiler")
NEAR = {torch.float32: 2e-6, torch.bfloat16: 1e-2}
"""Most that a sum in another order may differ by, beside the largest value."""


@pytest.fixture(autouse=True, params=VARIANTS)
def _variant(request: pytest.FixtureRequest) -> Iterator[None]:
    torch.manual_seed(3)
    with native.using(request.param), native.decoding(), torch.inference_mode():
        yield


def _in_words(x: torch.Tensor) -> torch.Tensor:
    """Rows as tiles take them beside weights of 8 bits: 127 * 256 steps either way."""
    most = x.abs().amax(-1, keepdim=True)
    steps = torch.where(most > 2.0**-96, most / (127 * 256), 0)
    return torch.where(steps > 0, (x * (1 / steps)).round().double() * steps, 0.0)


def _close(ours: torch.Tensor, theirs: torch.Tensor, near: float | None = None) -> None:
    assert ours.dtype == theirs.dtype and ours.shape == theirs.shape
    apart = (ours.float() - theirs.float()).abs().max() / theirs.float().abs().max()
    assert float(apart) <= (near or NEAR[ours.dtype])


def _plain(compute: Callable[[], torch.Tensor]) -> torch.Tensor:
    with native.using(None):
        return compute()


@pytest.mark.parametrize("dtype", NEAR)
@pytest.mark.parametrize("inputs", [3, 67, 257])
def test_products_are_the_plain_ones(dtype: torch.dtype, inputs: int) -> None:
    linear = Linear(inputs, 53).to(dtype)
    for rows in (1, 2, 3, 7):
        x = torch.randn(rows, inputs).to(dtype)
        # In fp32 from the same numbers: what PyTorch sums bf16 in is not said.
        exact = F.linear(x.double(), linear.weight.double(), linear.bias.double())
        _close(native.multiply(x, linear.weight, linear.bias), exact.to(dtype))
        _close(linear(x), _plain(lambda x=x: linear(x)))


@pytest.mark.parametrize("dtype", NEAR)
def test_a_row_gives_the_same_beside_others(dtype: torch.dtype) -> None:
    weight, x = torch.randn(29, 101).to(dtype), torch.randn(13, 101).to(dtype)
    together = native.multiply(x, weight)
    assert torch.equal(together, torch.cat([native.multiply(row[None], weight) for row in x]))


@pytest.mark.parametrize("rows", [1, 5, 31])
def test_int8_products_are_those_of_widened_weights(rows: int) -> None:
    fused = FusedLinear(67, {"query": 23, "key": 11}, bias=True)
    held = Int8Linear(*rounded_to_int8(fused.weight), fused.bias, fused.parts)
    x = torch.randn(rows, 67)
    wide = held.weight.float() * held.scales[:, None]
    assert float((wide - fused.weight).abs().max()) <= float(held.scales.max()) / 2 * 1.001
    _close(held(x), F.linear(x, wide, fused.bias))
    assert torch.equal(held.widened(x), wide)
    assert held.slices == fused.slices
    assert [part.shape[1] for part in held.split(held(x))] == [23, 11]


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.int8])
def test_many_rows_go_through_whole_tiles(kind: torch.dtype) -> None:
    """Inputs in whole tiles, outputs not; what a row gives does not hang on those beside it."""
    linear = Linear(128, 53)
    x = torch.randn(37, 128).to(torch.bfloat16 if kind is torch.bfloat16 else torch.float32)
    x[3], x[5] = 0, 1e-30 * x[5]
    held: torch.nn.Module = linear.to(x.dtype)
    wide = linear.weight.double()
    if kind is torch.int8:
        held = Int8Linear(*rounded_to_int8(linear.weight), linear.bias)
        wide = held.weight.double() * held.scales[:, None]
    for rows in (1, 2, 16, 17, 37):
        exact, built = F.linear(x[:rows].double(), wide, linear.bias.double()), native.library()
        if kind is torch.int8 and built is not None and built.has_tiles:
            # The last five outputs fill no block, and are multiplied as they are.
            in_words = F.linear(_in_words(x[:rows]), wide, linear.bias.double())
            exact[:, :48] = in_words[:, :48]
        _close(held(x[:rows]), exact.to(x.dtype))
    assert torch.equal(held(x), torch.cat([held(row[None]) for row in x]))
    x[7, 9] = torch.nan
    assert held(x)[7].isnan().all() and not held(x)[8].isnan().any()


def test_what_is_tied_stays_tied_in_int8() -> None:
    model = torch.nn.Module()
    model.tokens, model.output = torch.nn.Embedding(31, 17), Linear(17, 31, bias=False)
    model.output.weight = model.tokens.weight
    table = model.tokens.weight.clone()
    hold_in_int8(model)
    assert isinstance(model.tokens, Int8Embedding) and isinstance(model.output, Int8Linear)
    assert model.tokens.weight is model.output.weight and not list(model.parameters())
    found = model.tokens(torch.tensor([2, 29]))
    assert (
        float((found - table[[2, 29]]).abs().max()) <= float(model.tokens.scales.max()) / 2 * 1.001
    )


@pytest.mark.parametrize("dtype", NEAR)
@pytest.mark.parametrize("unit_offset", [False, True])
def test_norms_are_the_plain_ones(dtype: torch.dtype, unit_offset: bool) -> None:
    norm = RMSNorm(NormSpec("rms", unit_offset=unit_offset), 67).to(dtype)
    norm.weight += torch.randn(67).to(dtype)
    x = torch.randn(5, 67).to(dtype)
    _close(norm(x), _plain(lambda: norm(x)))


@pytest.mark.parametrize("dtype", NEAR)
def test_gates_are_the_plain_ones(dtype: torch.dtype) -> None:
    block = FeedForward(FeedForwardSpec(width=43, gated=True, activation="silu"), 17).to(dtype)
    x = torch.randn(3, 17).to(dtype)
    _close(block(x), _plain(lambda: block(x)))
    extreme = torch.tensor([[-1e4, -80.0, 0.0, 80.0, 1e4, 1, 1, 1, 1, 1]])
    _close(native.gate(extreme), F.silu(extreme[:, :5]))
    assert native.gate(torch.full((1, 34), torch.nan)).isnan().all()


@pytest.mark.parametrize("dtype", NEAR)
@pytest.mark.parametrize(("window", "softcap"), [(None, None), (7, None), (None, 5.0)])
@pytest.mark.parametrize("width", [10, 34, 32])
def test_attention_over_a_cache_is_the_plain_one(
    dtype: torch.dtype, window: int | None, softcap: float | None, width: int
) -> None:
    spec = AttentionSpec(
        num_heads=6, num_kv_heads=2, head_width=width, softcap=softcap, rotary=RotarySpec()
    )
    attention, rotary = Attention(spec, 23).eval().to(dtype), Rotary(RotarySpec(), width)
    # A prompt each, then a token, then drafts of unequal lengths; the middle one waits once.
    pieces = [([5, 11, 2], None), ([1, 1, 1], None), ([3, 1], [0, 2]), ([1, 2, 1], None)]
    given = [torch.randn(sum(lengths), 23).to(dtype) for lengths, _ in pieces]

    def decode() -> torch.Tensor:
        cache, found = Cache(1, 3, 29), []
        for (lengths, active), x in zip(pieces, given, strict=True):
            cache.active = active
            layout, keys = cache.advance(lengths, torch.device("cpu"))
            plan = AttentionPlan(layout, keys)
            biases = plan.biases(Sight(True, window), None, dtype)
            options = {"angles": rotary(layout), "cache": cache.layers[0]}
            found.append(attention(x, plan, biases, **options))
        return torch.cat(found)

    _close(decode(), _plain(decode), 2e-2 if dtype is torch.bfloat16 else None)


def test_the_likeliest_is_the_first_of_the_largest() -> None:
    logits = torch.randn(3, 4099)
    logits[1, [7, 4097]] = 9.0
    logits[2] *= 100
    tokens, likely = native.likeliest(logits)
    assert torch.equal(tokens, logits.argmax(-1)) and int(tokens[1]) == 7
    wanted = logits.log_softmax(-1).gather(1, tokens[:, None])[:, 0]
    assert float((likely - wanted).abs().max()) < 1e-5


def test_training_never_meets_them() -> None:
    x = torch.randn(1, 7)
    assert native.few(x) and not native.few(x.double())
    with torch.inference_mode(False):
        y = torch.randn(1, 7)
        with torch.enable_grad():
            assert not native.few(y)
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            assert not native.few(y)


def test_texts_that_are_only_read_never_meet_them() -> None:
    """A class must not differ with the texts beside it: the kernels add in another order."""
    x, linear = torch.randn(2, 67), Linear(67, 53)
    assert native.multiplies(x, linear.weight)
    found = []

    def elsewhere() -> None:
        with torch.inference_mode():
            found.append((native.few(x), torch.equal(linear(x), F.linear(x, *linear.parameters()))))

    thread = threading.Thread(target=elsewhere)  # where nobody decodes
    thread.start()
    thread.join()
    assert found == [(False, True)]


def test_the_switch_leaves_them_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MASON_COMPILED", "0")
    assert load() is None
