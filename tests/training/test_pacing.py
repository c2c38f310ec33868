"""A budget of time: the number of steps follows the pace of the run."""

import itertools
from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from mason.training import pacing
from mason.training.history import History, Step
from mason.training.loop import fit
from mason.training.pacing import Pacing
from tests.training.small import build, objective
from tests.training.test_loop import RECIPE


@pytest.mark.parametrize("planned", [20, 100_000])
def test_a_wrong_plan_is_corrected_on_the_way(
    planned: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too few steps and too many: the run takes its time, and its rate has fallen at the end."""
    recipe = replace(RECIPE, epochs=1e9, max_steps=planned, schedule="linear", warmup_share=0.0)
    clock, taught = SimpleNamespace(now=100.0), objective()
    loss = taught.loss

    def ticking(model: nn.Module, run: Sequence[int]) -> Tensor:
        clock.now += 0.01
        return loss(model, run)

    monkeypatch.setattr(taught, "loss", ticking)
    monkeypatch.setattr(pacing, "time", SimpleNamespace(monotonic=lambda: clock.now))
    history = fit(build("encoder"), taught, recipe, pacing=Pacing(1.5))
    assert history.step == history.num_steps == pytest.approx(150, rel=0.05)
    assert history.steps[-1].learning_rate < 0.1 * recipe.learning_rate


def test_a_warm_up_that_turns_out_shorter_is_steeper_and_no_jump(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Forty quick steps promise ten thousand, whose warm-up is a thousand; then company comes."""
    recipe = replace(RECIPE, epochs=1e9, max_steps=10_000, schedule="linear", warmup_share=0.1)
    clock, taught = SimpleNamespace(now=100.0, steps=0), objective()
    loss = taught.loss

    def ticking(model: nn.Module, run: Sequence[int]) -> Tensor:
        clock.steps += 1
        clock.now += 0.001 if clock.steps <= 40 else 0.1
        return loss(model, run)

    monkeypatch.setattr(taught, "loss", ticking)
    monkeypatch.setattr(pacing, "time", SimpleNamespace(monotonic=lambda: clock.now))
    history = fit(build("encoder"), taught, recipe, pacing=Pacing(10.0))
    rates = [step.learning_rate / recipe.learning_rate for step in history.steps]
    rises = [b - a for a, b in itertools.pairwise(rates)]
    assert rates[40] < 0.05 and max(rates) > 0.2, "it did get shorter"
    assert max(rises) < 0.12
    assert rates[-1] < 0.1


def test_a_run_that_goes_on_has_spent_what_its_steps_took() -> None:
    history = History(
        500, [Step(i, 0.0, 1.0, 1e-3, 1.0, 10, 0.1) for i in range(1, 101)]
    )  # 10 s at 0.1 s a step
    Pacing(30.0).begin(history)
    assert history.num_steps == pytest.approx(300, abs=1)


def test_time_that_is_over_ends_the_run() -> None:
    history = fit(
        build("encoder"), objective(), replace(RECIPE, max_steps=1000), pacing=Pacing(0.0)
    )
    assert history.step <= 1000 // 40
    assert torch.isfinite(torch.tensor(history.steps[-1].loss))


def test_a_run_that_goes_back_is_measured_by_what_came_before() -> None:
    """Steps that are taken again are no sudden fall of the pace."""
    paced, history = Pacing(1000.0), History(100)
    paced.begin(history)
    for number in [*range(1, 33), 9, 10, 11, 12]:
        history.steps = [Step(i, 0.0, 1.0, 1e-3, 1.0, 10, 0.01) for i in range(1, number + 1)]
        paced.after_step(history)
    assert history.num_steps > 1000  # a thousand seconds at microseconds a step
