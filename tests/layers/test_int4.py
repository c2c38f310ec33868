"""Weights in 4 bits: the kernels beside the plain path, for every instruction set."""

from collections.abc import Iterator

import pytest
import torch
import torch.nn.functional as F

from mason.layers import FusedLinear, Grid, Int4Linear, Int8Linear, Linear, hold_in_int4, native

BUILT = native.library()
VARIANTS = BUILT.variants if BUILT else []
NEAR = {torch.float32: 3e-6, torch.bfloat16: 1e-2}
"""Most that a sum in another order may differ by, beside the largest value."""


@pytest.fixture(params=VARIANTS)
def variant(request: pytest.FixtureRequest) -> Iterator[None]:
    with native.using(request.param), native.decoding(), torch.inference_mode():
        yield


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(3)


@pytest.mark.usefixtures("variant")
@pytest.mark.parametrize("dtype", NEAR)
@pytest.mark.parametrize("inputs", [3, 67, 257])
def test_products_are_those_of_widened_weights(dtype: torch.dtype, inputs: int) -> None:
    held = Int4Linear.of(Linear(inputs, 53)).to(dtype)
    for rows in (1, 2, 3, 7):
        x = torch.randn(rows, inputs).to(dtype)
        wide = held.widened(x.double()[:0]).double()
        exact = F.linear(x.double(), wide, held.bias.double())
        apart = (held(x).double() - exact).abs().max() / exact.abs().max()
        assert held(x).dtype is dtype and float(apart) <= NEAR[dtype]


@pytest.mark.usefixtures("variant")
@pytest.mark.parametrize("dtype", NEAR)
def test_widening_is_the_plain_one(dtype: torch.dtype) -> None:
    held, like = Int4Linear.of(Linear(101, 37)), torch.empty(1, 1, dtype=dtype)
    found = held.widened(like)
    with native.using(None):
        assert torch.equal(found, held.widened(like))


@pytest.mark.usefixtures("variant")
@pytest.mark.parametrize("dtype", NEAR)
def test_a_row_gives_the_same_beside_others(dtype: torch.dtype) -> None:
    held, x = Int4Linear.of(Linear(101, 29)).to(dtype), torch.randn(37, 101).to(dtype)
    assert torch.equal(held(x), torch.cat([held(row[None]) for row in x]))


def test_each_number_is_rounded_to_the_nearest_step_of_its_group() -> None:
    fused = FusedLinear(67, {"query": 23, "key": 11}, bias=True)
    held, grid = Int4Linear.of(fused.requires_grad_(False)), Grid.of(fused.weight)
    apart = (held.widened(fused.weight) - fused.weight).abs()
    steps = grid.steps.float().repeat_interleave(32, 1)[:, :67]
    assert bool((apart <= steps * 0.52).all()) and float((apart / steps).mean()) > 0.2
    assert [part.shape[1] for part in held.split(held(torch.randn(3, 67)))] == [23, 11]
    assert held.grid.dtype is torch.float16 and held.double().grid.dtype is torch.float16


@pytest.mark.parametrize("most", [15, 11, 8])
def test_what_lies_on_a_grid_stays_as_it_is(most: int) -> None:
    """As weights do that a GGUF file held: Q4_1 uses all codes of a group, Q4_0 few do."""
    steps = torch.rand(5, 3).half() + 0.01
    lows = -8 * steps if most < 15 else -torch.rand(5, 3).half()
    codes = torch.randint(most + 1, (5, 96))
    codes[:, ::32], codes[:, 1::32] = 0, most
    linear = Linear(96, 5, bias=False)
    linear.weight.data = Grid(steps, lows).values(codes.to(torch.uint8))
    held = Int4Linear.of(linear).widened(linear.weight)
    assert (held - linear.weight).abs().max() <= 2e-7 * linear.weight.abs().max()
    linear.weight.data = linear.weight.bfloat16().float()
    held = Int4Linear.of(linear).widened(linear.weight)
    assert (held - linear.weight).abs().max() <= 5e-3 * linear.weight.abs().max()


def test_a_group_of_one_value_has_it() -> None:
    linear = Linear(64, 3, bias=False)
    linear.weight.data.fill_(0.25)
    linear.weight.data[1] = 0
    assert torch.equal(Int4Linear.of(linear).widened(linear.weight), linear.weight)


def test_only_layers_go_to_4_bits() -> None:
    model = torch.nn.Module()
    model.tokens, model.output = torch.nn.Embedding(31, 17), Linear(17, 31, bias=False)
    model.output.weight = model.tokens.weight
    model.stack = torch.nn.Module()
    model.stack.layers = torch.nn.ModuleList([Linear(17, 17)])
    hold_in_int4(model)
    assert isinstance(model.output, Int8Linear) and model.output.weight is model.tokens.weight
    assert isinstance(model.stack.layers[0], Int4Linear) and not list(model.parameters())


def test_gradients_go_through_it() -> None:
    held, x = Int4Linear.of(Linear(67, 29)), torch.randn(5, 67, requires_grad=True)
    with native.decoding():
        held(x).sum().backward()
    assert x.grad is not None
    expected = held.widened(x).sum(0).expand(5, -1)
    assert torch.allclose(x.grad, expected, atol=1e-5)
