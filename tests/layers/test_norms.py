"""Norms beside their formulas in fp64."""

import pytest
import torch
from torch import Tensor

from mason.layers import LayerNorm, NormSpec, RMSNorm, build_norm

WIDTH = 23


def _rows(dtype: torch.dtype = torch.float32) -> Tensor:
    torch.manual_seed(5)
    return (3 + 7 * torch.randn(11, WIDTH)).to(dtype)


def _filled(spec: NormSpec) -> torch.nn.Module:
    norm = build_norm(spec, WIDTH)
    for parameter in norm.parameters():
        torch.nn.init.normal_(parameter)
    return norm


@pytest.mark.parametrize("epsilon", [1e-12, 0.5])
@pytest.mark.parametrize("bias", [True, False])
def test_layer_norm(bias: bool, epsilon: float) -> None:
    norm = _filled(NormSpec("layer", epsilon, bias=bias))
    assert isinstance(norm, LayerNorm)
    x = _rows()
    wide = x.double()
    mean = wide.mean(-1, keepdim=True)
    spread = ((wide - mean) ** 2).mean(-1, keepdim=True)
    expected = (wide - mean) / (spread + epsilon) ** 0.5 * norm.weight.double()
    if bias:
        expected = expected + norm.bias.double()
    assert (norm.bias is not None) == bias
    assert torch.allclose(norm(x).double(), expected, atol=3e-6)


@pytest.mark.parametrize("epsilon", [1e-12, 0.5])
@pytest.mark.parametrize("unit_offset", [True, False])
def test_rms_norm(unit_offset: bool, epsilon: float) -> None:
    norm = _filled(NormSpec("rms", epsilon, unit_offset=unit_offset))
    assert isinstance(norm, RMSNorm)
    x = _rows()
    wide = x.double()
    factor = norm.weight.double() + (1 if unit_offset else 0)
    expected = wide / ((wide**2).mean(-1, keepdim=True) + epsilon) ** 0.5 * factor
    assert torch.allclose(norm(x).double(), expected, atol=3e-6)


@pytest.mark.parametrize("unit_offset", [True, False])
def test_fresh_rms_norm_leaves_the_root_mean_square_at_one(unit_offset: bool) -> None:
    out = build_norm(NormSpec("rms", unit_offset=unit_offset), WIDTH)(_rows())
    assert torch.allclose(out.square().mean(-1), torch.ones(11), atol=1e-5)


def test_rms_norm_of_half_precision_is_computed_in_single() -> None:
    """In fp16 the squares of these rows overflow."""
    x = (_rows() * 100).half()
    out = RMSNorm(NormSpec("rms"), WIDTH).half()(x)
    assert out.dtype == torch.float16
    expected = x.double() / (x.double() ** 2).mean(-1, keepdim=True) ** 0.5
    assert torch.allclose(out.double(), expected, atol=2e-3)


def test_norms_take_any_leading_axes() -> None:
    x = _rows()
    for kind in ("layer", "rms"):
        norm = _filled(NormSpec(kind))
        assert torch.equal(norm(x.view(11, 1, WIDTH))[:, 0], norm(x))


def test_an_absent_norm_is_the_identity() -> None:
    x = _rows()
    assert build_norm(None, WIDTH)(x) is x
