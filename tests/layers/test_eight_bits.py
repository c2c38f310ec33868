"""Rows and weights in 8 bits: the kernels beside the plain path, for every instruction set."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from mason.layers import (
    AttentionSpec,
    EmbeddingSpec,
    FeedForwardSpec,
    FusedLinear,
    HeadSpec,
    Int8DynamicLinear,
    Linear,
    NormSpec,
    StackSpec,
    native,
)
from mason.layers.int8 import FEW_STEPS, rounded_to_int8
from mason.models import ModelSpec, Packed, Transformer
from mason.models.eight_bits import hold_in_eight_bits, in_eight_bits, widened
from mason.models.transformer import num_bytes, num_parameters

BUILT = native.library()
VARIANTS = BUILT.variants if BUILT else []
needs_kernels = pytest.mark.skipif(not BUILT, reason="the kernels are not built")
LENGTHS = [5, 1, 13, 37]


@pytest.fixture(params=VARIANTS)
def variant(request: pytest.FixtureRequest) -> Iterator[str]:
    torch.manual_seed(3)
    with native.using(request.param), torch.inference_mode():
        yield request.param


@pytest.mark.parametrize("largest", [FEW_STEPS, 127])
def test_rounding_again_changes_nothing(largest: int) -> None:
    torch.manual_seed(3)
    weight = torch.randn(29, 67)
    weight[7] = 0
    whole, scales = rounded_to_int8(weight, largest=largest)
    wide = whole.float() * scales[:, None]
    assert int(whole.abs().max()) == largest
    error = (wide - weight).norm() / weight.norm()
    assert float(error) < (0.12 if largest == FEW_STEPS else 0.01)
    again = rounded_to_int8(wide)
    assert torch.equal(again[0], whole) and torch.equal(again[1], scales)


def test_four_bits_lose_less_than_the_largest_number_decides() -> None:
    torch.manual_seed(3)
    weight = torch.randn(29, 257)
    whole, scales = rounded_to_int8(weight, largest=FEW_STEPS)
    plain = weight.abs().amax(1, keepdim=True) / FEW_STEPS
    nearest = (weight / plain).round() * plain
    ours = (whole.float() * scales[:, None] - weight).square().sum()
    assert float(ours) < 0.95 * float((nearest - weight).square().sum())


@needs_kernels
@pytest.mark.parametrize("inputs", [3, 67, 257])
def test_products_are_the_plain_ones(variant: str, inputs: int) -> None:
    held = Int8DynamicLinear(*rounded_to_int8(torch.randn(53, inputs)), torch.randn(53))
    for rows in (1, 2, 3, 19, 43):
        x = torch.randn(rows, inputs)
        x[0] = 0.25  # a row without any spread
        ours = held(x)
        with native.using(None):
            plain = held(x)
        assert float((ours - plain).abs().max()) <= 1e-5 * float(plain.abs().max())
        alone = torch.cat([held(row[None]) for row in x])
        assert torch.equal(ours, alone)


def test_products_are_near_those_of_ordinary_numbers() -> None:
    torch.manual_seed(3)
    fused = FusedLinear(67, {"query": 23, "key": 11}, bias=True)
    held = Int8DynamicLinear(*rounded_to_int8(fused.weight), fused.bias, fused.parts)
    x = torch.randn(3, 5, 67)
    with torch.inference_mode():
        exact, ours = F.linear(x, fused.weight, fused.bias), held(x)
    assert ours.shape == exact.shape and held.slices == fused.slices
    assert float((ours - exact).norm() / exact.norm()) < 0.02


def _model(activation: str = "gelu", **more: object) -> Transformer:
    torch.manual_seed(5)
    norm = NormSpec(epsilon=1e-12)
    stack = StackSpec(
        depth=3,
        embedding=EmbeddingSpec(101, positions="learned", num_positions=64, norm=norm),
        attention=AttentionSpec(num_heads=6),
        feed_forward=FeedForwardSpec(width=71, activation=activation),
        norm=norm,
    )
    heads = {"classification": HeadSpec(pool="first", dense=True, activation="tanh")}
    spec = ModelSpec(
        width=66, encoder=replace(stack, **more), heads=heads, labels=("a", "b"), initial_std=0.3
    )
    model = Transformer(spec).eval()
    for parameter in model.parameters():
        if parameter.dim() == 1:
            torch.nn.init.normal_(parameter, 0.5, 0.3)
    return model


def _texts(lengths: list[int] = LENGTHS) -> Packed:
    generator = torch.Generator().manual_seed(7)
    return Packed.of([torch.randint(101, (n,), generator=generator).tolist() for n in lengths])


@needs_kernels
@pytest.mark.parametrize("activation", ["gelu", "relu"])
def test_an_encoder_in_one_call_is_the_one_of_its_layers(variant: str, activation: str) -> None:
    exact = _model(activation)(_texts())
    model = hold_in_eight_bits(_model(activation))
    assert model.encoder is not None and model.encoder.program is not None
    packed = _texts()
    whole, first = model(packed), model(packed, at=packed.layout.first)
    last, some = model(packed, at=packed.layout.last), model(packed, at=torch.tensor([1, 20]))
    assert torch.equal(first, whole[packed.layout.first])
    assert torch.equal(last, whole[packed.layout.last]) and torch.equal(some, whole[[1, 20]])
    assert float((whole - exact).norm() / exact.norm()) < 0.06
    model.encoder.program = None
    # One flipped rounding moves what comes after it, so that layers agree less than products.
    assert float((model(packed) - whole).norm() / whole.norm()) < 0.03


@needs_kernels
def test_a_text_gives_the_same_beside_others(variant: str) -> None:
    model, packed = hold_in_eight_bits(_model()), _texts([*LENGTHS, *[29] * 20])
    together = model(packed)
    alone = [model(Packed.of([part.tolist()])) for part in packed.tokens.split(packed.lengths)]
    assert torch.equal(together, torch.cat(alone))


def test_what_the_kernels_do_not_know_goes_layer_by_layer() -> None:
    for more in ({"placement": "pre", "final_norm": True}, {"alibi": True}):
        model = hold_in_eight_bits(_model(**more))
        assert in_eight_bits(model) and model.encoder is not None
        assert model.encoder.program is None
        with torch.inference_mode():
            exact, ours = _model(**more)(_texts()), model(_texts())
        assert float((ours - exact).norm() / exact.norm()) < 0.06


def test_rounded_parameters_are_still_counted() -> None:
    whole, model = _model(), hold_in_eight_bits(_model())
    assert num_parameters(model) == num_parameters(whole)
    assert num_bytes(model) < 0.3 * num_bytes(whole)


def test_widened_weights_are_what_is_computed_with() -> None:
    model = hold_in_eight_bits(_model(), bits=4)
    wide = widened(model)
    again = hold_in_eight_bits(widened(model))
    ours = model.get_submodule("encoder.layers.1.feed_forward.block.input")
    theirs = wide.get_submodule("encoder.layers.1.feed_forward.block.input")
    assert isinstance(ours, Int8DynamicLinear) and isinstance(theirs, Linear)
    assert torch.equal(ours.widened(theirs.weight), theirs.weight)
    with torch.inference_mode():
        assert torch.equal(model(_texts()), again(_texts()))
