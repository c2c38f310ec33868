"""Products of packed rows in bf16: as autocast's own, whatever the number of rows."""

import pytest
import torch
from torch import Tensor, nn

from mason.layers.linear import Linear

INPUTS, OUTPUTS = 37, 53


def learned(module: nn.Linear, x: Tensor, wanted: Tensor) -> list[Tensor]:
    """What comes out, and the gradients of everything that learns."""
    x = x.clone().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        out = module(x)
    (out.float() * wanted).sum().backward()
    learning = [p for p in (x, *module.parameters()) if p.requires_grad]
    return [out, *(p.grad for p in learning if p.grad is not None)]


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("rows", [5, 64, 67, 128, 131])
def test_equal_to_autocast(rows: int, dtype: torch.dtype, bias: bool) -> None:
    torch.manual_seed(0)
    ours = Linear(INPUTS, OUTPUTS, bias=bias)
    theirs = nn.Linear(INPUTS, OUTPUTS, bias=bias)
    theirs.load_state_dict(ours.state_dict())
    x, wanted = torch.randn(rows, INPUTS).to(dtype), torch.randn(rows, OUTPUTS)
    found, expected = learned(ours, x, wanted), learned(theirs, x, wanted)
    assert len(found) == len(expected) == (4 if bias else 3)
    for a, b in zip(found, expected, strict=True):
        assert a.shape == b.shape and a.dtype == b.dtype
        torch.testing.assert_close(a, b, rtol=2e-2, atol=2e-2 * float(b.abs().max()))


def test_frozen_weights_get_no_gradient() -> None:
    ours = Linear(INPUTS, OUTPUTS)
    ours.weight.requires_grad_(False)
    x = torch.randn(67, INPUTS)
    found = learned(ours, x, torch.randn(67, OUTPUTS))
    assert ours.weight.grad is None and len(found) == 3


def test_fp32_is_pytorchs_own() -> None:
    ours = Linear(INPUTS, OUTPUTS)
    x = torch.randn(67, INPUTS)
    assert torch.equal(ours(x), nn.functional.linear(x, ours.weight, ours.bias))
