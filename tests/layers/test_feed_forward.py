"""Feed-forward blocks beside their formulas."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from mason.errors import SettingsError
from mason.layers import ACTIVATIONS, FeedForward, FeedForwardSpec
from tests.layers.oracle import Nothing

WIDTH, INNER = 7, 13


def _one_by_one(function: Callable[[float], float]) -> Callable[[Tensor], Tensor]:
    return lambda x: torch.tensor([[function(v) for v in row] for row in x.tolist()]).double()


def _sigmoid(v: float) -> float:
    return 1 / (1 + math.exp(-v))


FORMULAS: dict[str, Callable[[float], float]] = {
    "relu": lambda v: max(v, 0.0),
    "relu_squared": lambda v: max(v, 0.0) ** 2,
    "gelu": lambda v: v * 0.5 * (1 + math.erf(v / math.sqrt(2))),
    "gelu_tanh": lambda v: (
        0.5 * v * (1 + math.tanh(math.sqrt(2 / math.pi) * (v + 0.044715 * v**3)))
    ),
    "quick_gelu": lambda v: v * _sigmoid(1.702 * v),
    "silu": lambda v: v * _sigmoid(v),
    "tanh": math.tanh,
    "sigmoid": _sigmoid,
}


def _block(**fields: object) -> FeedForward:
    torch.manual_seed(11)
    block = FeedForward(FeedForwardSpec(width=INNER, **fields), WIDTH).double()
    for parameter in block.parameters():
        torch.nn.init.normal_(parameter)
    return block


def test_every_activation_has_its_formula() -> None:
    assert set(FORMULAS) == set(ACTIVATIONS)
    x = torch.linspace(-4, 4, 33, dtype=torch.float64)
    for name, formula in FORMULAS.items():
        expected = torch.tensor([formula(v) for v in x.tolist()]).double()
        assert torch.allclose(ACTIVATIONS[name](x), expected, atol=1e-6), name


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("name", ["relu", "gelu"])
def test_two_maps_around_an_activation(name: str, bias: bool) -> None:
    block, x = _block(activation=name, bias=bias), torch.randn(5, WIDTH).double()
    inner = x @ block.input.weight.T + (block.input.bias if bias else 0)
    inner = _one_by_one(FORMULAS[name])(inner)
    expected = inner @ block.output.weight.T + (block.output.bias if bias else 0)
    assert (block.input.bias is not None) == (block.output.bias is not None) == bias
    assert torch.allclose(block(x), expected, atol=1e-5)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("name", ["silu", "gelu", "gelu_tanh", "sigmoid"])
def test_the_gate_is_activated_and_what_goes_up_is_not(name: str, bias: bool) -> None:
    """SwiGLU, GeGLU and GLU: output(act(gate(x)) * up(x))."""
    block, x = _block(activation=name, gated=True, bias=bias), torch.randn(5, WIDTH).double()
    maps = {}
    for part, rows in block.input.slices.items():
        maps[part] = x @ block.input.weight[rows].T + (block.input.bias[rows] if bias else 0)
    assert list(maps) == ["gate", "up"]
    inner = _one_by_one(FORMULAS[name])(maps["gate"]) * maps["up"]
    expected = inner @ block.output.weight.T + (block.output.bias if bias else 0)
    assert torch.allclose(block(x), expected, atol=1e-5)


def test_dropout_lies_between_the_maps() -> None:
    block, x = _block(dropout=0.25), torch.randn(5, WIDTH).double()
    assert block.dropout.rate == 0.25
    block.dropout = Nothing()
    assert torch.equal(block(x), block.output.bias.expand(5, WIDTH))


def test_an_unknown_activation_is_refused() -> None:
    with pytest.raises(SettingsError, match="no activation called 'gelo'; choose one of relu"):
        _block(activation="gelo")
