"""Dropout: the share, the scale, and the same values in the gradient."""

import pytest
import torch

from mason.errors import SettingsError
from mason.layers import Dropout


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_share_scale_and_gradient(rate: float, dtype: torch.dtype) -> None:
    torch.manual_seed(1)
    x = torch.ones(701, 93, dtype=dtype, requires_grad=True)  # no multiple of eight
    out = Dropout(rate).train()(x)
    out.sum().backward()
    rounded = round(rate * 256) / 256
    assert out.dtype == dtype
    assert (out == 0).double().mean().item() == pytest.approx(rounded, abs=0.01)
    assert set(out.unique().tolist()) == {0, torch.tensor(1 / (1 - rounded), dtype=dtype).item()}
    assert torch.equal(x.grad, out)
    assert out.double().mean().item() == pytest.approx(1, abs=0.05)


def test_the_backward_pass_remembers_a_byte_a_value() -> None:
    x = torch.ones(41, 24, requires_grad=True)
    saved: list[torch.Tensor] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: saved.append(t) or t, lambda t: t):
        Dropout(0.3).train()(x)
    assert sum(t.nbytes for t in saved) == x.numel()


def test_each_value_is_drawn_for_itself() -> None:
    torch.manual_seed(1)
    dropped = (Dropout(0.5).train()(torch.ones(4096, 17)) == 0).double()
    assert (torch.corrcoef(dropped.T) - torch.eye(17)).abs().max() < 0.08
    again = (Dropout(0.5).train()(torch.ones(4096, 17)) == 0).double()
    assert not torch.equal(dropped, again)


def test_while_evaluating_and_at_rate_zero_nothing_happens() -> None:
    x = torch.ones(3, 5)
    assert Dropout(0.5).eval()(x) is x
    assert Dropout(0.0).train()(x) is x


@pytest.mark.parametrize(("rate", "share"), [(0.001, 1 / 256), (0.999, 255 / 256)])
def test_rates_beyond_the_steps_are_the_nearest_that_drops_some(rate: float, share: float) -> None:
    torch.manual_seed(1)
    out = Dropout(rate).train()(torch.ones(100_003))
    assert (out == 0).double().mean().item() == pytest.approx(share, abs=0.002)
    assert torch.isfinite(out).all()


@pytest.mark.parametrize("rate", [1.0, -0.1, 10.0])
def test_a_rate_that_is_no_share_is_refused(rate: float) -> None:
    with pytest.raises(SettingsError, match=f"dropout rate is {rate}"):
        Dropout(rate).train()(torch.ones(3))
