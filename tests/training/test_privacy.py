"""Private steps against opacus, which counts and computes the same on layers that it knows."""

from collections.abc import Sequence

import pytest
import torch
from opacus import GradSampleModule
from opacus.accountants import RDPAccountant
from torch import Tensor, nn

from mason.errors import SettingsError
from mason.training.privacy import Privacy
from mason.training.private_step import take_private_step
from mason.training.recipe import Recipe
from mason.training.state import State

ROWS, WIDTH = 13, 5


class Squares:
    """Least squares, row by row."""

    def __init__(self, x: Tensor, y: Tensor) -> None:
        self.x, self.y, self.lengths = x, y, [1] * len(x)

    def count(self, batch: Sequence[int]) -> int:
        return len(batch)

    def loss(self, model: nn.Module, run: Sequence[int]) -> Tensor:
        return (model(self.x[list(run)]).flatten() - self.y[list(run)]).square().sum()


@pytest.fixture
def squares() -> Squares:
    torch.manual_seed(0)
    return Squares(torch.randn(ROWS, WIDTH), 3 * torch.randn(ROWS))


def _stepped(squares: Squares, privacy: Privacy, clip: float) -> tuple[nn.Module, Tensor]:
    """A model after one step, and its noisy gradient: plain descent at a rate of 1."""
    torch.manual_seed(1)
    model = nn.Linear(WIDTH, 1)
    recipe = Recipe(clip_norm=clip, precision="fp32", schedule="constant", warmup_share=0.0)
    state = State.fresh(model, squares, recipe, ())
    state.optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    state.optimizer.param_groups[0]["peak"] = 1.0
    before = model.weight.detach().clone()
    step = take_private_step(state, squares, privacy)
    assert step.refused is None and state.model is model
    return model, (before - model.weight.detach()).flatten()


@pytest.mark.filterwarnings("ignore:Full backward hook")
def test_gradients_of_rows_are_those_of_opacus(squares: Squares) -> None:
    torch.manual_seed(1)
    peer = GradSampleModule(nn.Linear(WIDTH, 1), loss_reduction="sum")
    squares.loss(peer, range(ROWS)).backward()
    each = [p.grad_sample.flatten(1) for p in peer.parameters()]
    norms = torch.cat(each, 1).norm(dim=1)
    clip = float(norms.median())
    shares = (clip / norms).clamp(max=1.0)
    wanted = (each[0] * shares[:, None]).sum(0) / ROWS
    _, moved = _stepped(squares, Privacy(1.0, 1e-3, 0.0, 1.0), clip)
    assert torch.allclose(moved, wanted, rtol=1e-4, atol=1e-6)


def test_noise_is_as_wide_as_promised(squares: Squares) -> None:
    """One row's gradient is cut to 1; noise of 100 times that is nearly all there is."""
    quiet = _stepped(squares, Privacy(1.0, 1e-3, 0.0, 1.0), 1.0)[1]
    loud = torch.stack(
        [_stepped(squares, Privacy(1.0, 1e-3, 100.0, 1.0), 1.0)[1] for _ in range(60)]
    )
    assert float(loud.std() * ROWS / 100) == pytest.approx(1.0, abs=0.2)
    assert len(torch.unique(loud)) == loud.numel() and float(quiet.norm()) <= 1.01


def test_the_budget_is_kept() -> None:
    made = Privacy.within(3.0, None, rows=1000, steps=200, size=20)
    assert made.delta == pytest.approx(1e-4) and made.chance == 0.02
    assert 2.9 < made.spent(200) <= 3.0 and made.spent(100) < made.spent(200)
    peer = RDPAccountant()
    for _ in range(200):
        peer.step(noise_multiplier=made.noise, sample_rate=made.chance)
    assert made.spent(200) == pytest.approx(peer.get_epsilon(delta=made.delta))


def test_a_promise_that_is_none_is_refused() -> None:
    with pytest.raises(SettingsError, match="lets one row be given away whole"):
        Privacy.within(3.0, 0.01, rows=100, steps=10, size=10)
