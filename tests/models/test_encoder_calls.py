"""Encoders in bf16 as one call, beside the modules that it stands for."""

import copy
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from mason.layers import AttentionSpec, FeedForwardSpec, Int8DynamicLinear, Residual, native
from mason.models.packed import Packed
from mason.models.stack import Stack
from mason.models.transformer import Transformer
from mason.training.averages import swapped
from mason.training.optimizers.adamw import AdamW
from tests.models.small import ENCODER, SPECS, sequences

BUILT = native.library()
pytestmark = pytest.mark.skipif(
    BUILT is None or not BUILT.has_tiles, reason="there are no tiles, or no compiler"
)
LENGTHS = [5, 1, 13, 29]


def made(*, head_width: int = 32, placement: str = "post") -> Transformer:
    """A model whose products fill tiles, and its attention's where heads are 32 wide."""
    torch.manual_seed(7)
    encoder = replace(
        ENCODER,
        attention=AttentionSpec(num_heads=64 // head_width, head_width=head_width),
        feed_forward=FeedForwardSpec(width=128),
        placement=placement,
    )
    return Transformer(replace(SPECS["encoder"], width=64, encoder=encoder)).eval()


def encoder_of(model: Transformer) -> Stack:
    assert model.encoder is not None
    return model.encoder


def is_called(model: Transformer) -> bool:
    """Whether the kernel computes rows as they are now."""
    with torch.inference_mode():
        rows = torch.zeros(3, 64, dtype=torch.bfloat16)
        return encoder_of(model)._call.program(encoder_of(model), rows) is not None


def apart(ours: torch.Tensor, exact: torch.Tensor) -> float:
    return float((ours.float() - exact).norm() / exact.norm())


@pytest.mark.parametrize("head_width", [32, 16])
@torch.inference_mode()
def test_it_rounds_less_than_the_modules(head_width: int) -> None:
    model, packed = made(head_width=head_width), Packed.of(sequences(LENGTHS, seed=3))
    exact = model(packed)
    model.bfloat16()
    assert is_called(model)
    ours = model(packed)
    with native.using(None):
        plain = model(packed)
    assert ours.dtype is plain.dtype and apart(ours, exact) < min(apart(plain, exact), 0.02)
    first, last = packed.layout.first, packed.layout.last
    assert torch.equal(model(packed, at=first), ours[first])
    assert torch.equal(model(packed, at=last), ours[last])
    alone = [model(Packed.of([part.tolist()])) for part in packed.tokens.split(LENGTHS)]
    assert torch.equal(torch.cat(alone), ours)


def test_it_follows_what_changes() -> None:
    model, packed = made().bfloat16(), Packed.of(sequences(LENGTHS, seed=3))
    with torch.no_grad():
        before = model(packed)
        name = "encoder.layers.0.feed_forward.block.input"
        other = copy.deepcopy(model)
        other.get_submodule(name).bias += 1  # type: ignore[operator]
        assert apart(other(packed), before.float()) > 0.01
        assert torch.equal(model(packed), before)
        model.get_submodule(name).bias += 1  # type: ignore[operator]
        assert torch.equal(model(packed), other(packed))
        seen: list[torch.Tensor] = []
        model.get_submodule(name).register_forward_hook(lambda _m, _x, y: seen.append(y))
        assert is_called(other) and not is_called(model)
        model(packed)
        assert len(seen) == 1


def step_of_adamw(parameters: list[torch.nn.Parameter]) -> None:
    for parameter in parameters:
        parameter.grad = torch.ones_like(parameter)
    AdamW([{"params": parameters, "lr": 0.1}]).step()


def averaged(parameters: list[torch.nn.Parameter]) -> None:
    with swapped([(p, 3 * p.detach()) for p in parameters]):
        pass


def learned(model: Transformer) -> None:
    model.train()
    for parameter in model.parameters():
        parameter.data.mul_(3)  # nobody counts it
    model.eval()


@pytest.mark.parametrize(
    "change",
    [
        lambda model: step_of_adamw(list(model.parameters())),
        lambda model: averaged(list(model.parameters())),
        learned,
    ],
)
def test_it_does_not_answer_with_weights_of_before(change: Callable[[Transformer], None]) -> None:
    model, packed = made().bfloat16(), Packed.of(sequences(LENGTHS, seed=3))
    with torch.no_grad():
        model(packed)
        change(model)
        assert is_called(model)
        assert torch.equal(model(packed), copy.deepcopy(model)(packed))  # which reads them anew


def test_averages_are_what_is_asked_while_they_are_there() -> None:
    model, packed = made().bfloat16(), Packed.of(sequences(LENGTHS, seed=3))
    with torch.no_grad():
        before = model(packed)
        with swapped([(p, 3 * p.detach()) for p in model.parameters()]):
            assert apart(model(packed), before.float()) > 0.1
        assert torch.equal(model(packed), before)


def test_what_the_kernel_does_not_know_stays_with_the_modules() -> None:
    assert not is_called(made(placement="pre").bfloat16())
    assert not is_called(made().bfloat16().train())
    own = made().bfloat16()
    own.get_submodule("encoder.layers.1.attention").outside.__class__ = type(  # somebody's own
        "Mine", (torch.nn.LayerNorm,), {}
    )
    assert not is_called(own)
    own = made().bfloat16()
    own.get_submodule("encoder.layers.0.feed_forward").__class__ = type("Mine", (Residual,), {})
    assert not is_called(own)
    mixed = made().bfloat16()
    narrow = mixed.get_submodule("encoder.layers.0.feed_forward.block")
    narrow.output = Int8DynamicLinear(torch.zeros(64, 128, dtype=torch.int8), torch.ones(64))  # type: ignore[assignment]
    assert not is_called(mixed)
    with torch.enable_grad():
        assert made().bfloat16()(Packed.of([[1, 2]])).requires_grad
