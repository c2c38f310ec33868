"""Dropout: the share, the scale, and the same values in the gradient."""

from collections.abc import Iterator

import pytest
import torch

from mason.errors import SettingsError
from mason.layers import Dropout, native

COMPILED = native.library()
VARIANTS = [] if COMPILED is None else COMPILED.variants


@pytest.fixture(params=["compiled", "plain"], autouse=True)
def way(request: pytest.FixtureRequest) -> Iterator[str]:
    """Both ways to make the numbers, where the kernels are built."""
    if request.param == "compiled" and not VARIANTS:
        pytest.skip("the kernels are not built")
    with native.using(VARIANTS[0] if request.param == "compiled" else None):
        yield request.param


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


def test_what_the_backward_pass_remembers(way: str) -> None:
    x = torch.ones(41, 24, requires_grad=True)
    saved: list[torch.Tensor] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: saved.append(t) or t, lambda t: t):
        Dropout(0.3).train()(x)
    assert sum(t.nbytes for t in saved) == (0 if way == "compiled" else x.numel())


def test_it_can_be_derived_twice_and_read_in_any_layout() -> None:
    x = torch.rand(24, 40, requires_grad=True)
    out = Dropout(0.5).train()(x.T)
    (once,) = torch.autograd.grad(out.pow(3).sum(), x, create_graph=True)
    (twice,) = torch.autograd.grad(once.sum(), x)
    scale = torch.where(out.T == 0, 0.0, 2.0)
    torch.testing.assert_close(once, 3 * x**2 * scale**3)
    torch.testing.assert_close(twice, 6 * x * scale**3)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_every_instruction_set_drops_the_same(variant: str, dtype: torch.dtype) -> None:
    x = torch.randn(300, 1001).to(dtype)  # shared between threads, and a rest at the end
    x[0, :3] = torch.tensor([torch.nan, torch.inf, -torch.inf])
    with native.using("portable"):
        told = native.drop(x, 2**40 + 3, 77)
    with native.using(variant):
        found = native.drop(x, 2**40 + 3, 77)
    torch.testing.assert_close(found, told, rtol=0, atol=0, equal_nan=True)
    kept = found.flatten()[3:] != 0
    torch.testing.assert_close(
        found.flatten()[3:][kept], (x.flatten()[3:][kept].float() * (256 / 179)).to(dtype)
    )


def test_each_value_is_drawn_for_itself() -> None:
    torch.manual_seed(1)
    dropped = (Dropout(0.5).train()(torch.ones(4096, 17)) == 0).double()
    again = (Dropout(0.5).train()(torch.ones(4096, 17)) == 0).double()
    # Within a row, with the row before, and with the draw after.
    beside = torch.cat([dropped, dropped.roll(1, 0), again], 1).T
    assert (torch.corrcoef(beside) - torch.eye(51)).abs().max() < 0.08


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
