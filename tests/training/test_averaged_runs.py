"""Runs with every optimiser and with averages: killed, they go on; the averages are kept."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mason.errors import SettingsError
from mason.training.history import History
from mason.training.loop import fit
from mason.training.recipe import Recipe
from tests.training.small import build, objective
from tests.training.test_checkpoints import keeper

RECIPE = Recipe(epochs=3, batch_size=5, learning_rate=3e-3, precision="fp32")
RECIPES = {
    "ema": replace(RECIPE, ema_decay=0.6),
    "muon": replace(RECIPE, optimizer="muon"),
    "adafactor": replace(RECIPE, optimizer="adafactor"),
    "schedule_free": replace(RECIPE, optimizer="schedule_free", schedule="constant"),
    "ema of muon": replace(RECIPE, optimizer="muon", ema_decay=0.6, schedule="wsd"),
}


class _KilledError(BaseException):
    """Stands for SIGKILL."""


def _loss(model: torch.nn.Module) -> dict[str, float]:
    learned = objective(16, seed=4)
    with torch.no_grad():
        return {"valid_loss": float(learned.loss(model, range(16))) / 16}


def _run(
    folder: Path, recipe: Recipe, *, die_at: int | None = None, background: bool = False
) -> tuple[torch.nn.Module, History]:
    kept, model = keeper(folder, every_steps=3, background=background), build("encoder")

    def watch(history: History) -> None:
        kept.log(history)
        if history.step == die_at:
            raise _KilledError

    try:
        return model, fit(model, objective(16), recipe, evaluate=_loss, watch=watch, keeper=kept)
    finally:
        if kept._writer is not None:  # a kill would end its thread too
            kept._writer.shutdown()


@pytest.mark.parametrize(
    ("name", "background"), [(name, False) for name in RECIPES] + [("ema", True)]
)
def test_a_killed_run_goes_on_bit_for_bit(name: str, background: bool, tmp_path: Path) -> None:
    whole, straight = _run(tmp_path / "whole", RECIPES[name])
    for step in (4, 7, 10):
        with pytest.raises(_KilledError):
            _run(tmp_path / "cut", RECIPES[name], die_at=step, background=background)
    again, history = _run(tmp_path / "cut", RECIPES[name], background=background)
    assert [s.loss for s in history.steps] == [s.loss for s in straight.steps]
    assert history.evaluations == straight.evaluations
    for (path, wanted), got in zip(whole.named_parameters(), again.parameters(), strict=True):
        assert torch.equal(wanted, got), path


@pytest.mark.parametrize("name", ["ema", "schedule_free"])
@pytest.mark.parametrize("best", [4, 8, 12])
@pytest.mark.parametrize("on_disk", [False, True])
def test_what_was_evaluated_best_is_what_is_kept(
    name: str, best: int, on_disk: bool, tmp_path: Path
) -> None:
    found: dict[int, float] = {}

    def evaluate(model: torch.nn.Module) -> dict[str, float]:
        step = 4 * (len(found) + 1)
        found[step] = _loss(model)["valid_loss"]
        return {"valid_loss": 0.0 if step == best else 1.0}

    model = build("encoder")
    kept = keeper(tmp_path) if on_disk else None
    history = fit(model, objective(16), RECIPES[name], evaluate=evaluate, keeper=kept)
    assert history.best is not None and history.best.step == best
    assert _loss(model)["valid_loss"] == found[best]


@pytest.mark.parametrize("name", ["ema", "schedule_free"])
def test_without_an_evaluation_the_averages_are_kept_too(name: str) -> None:
    averaged, plain = build("encoder"), build("encoder")
    fit(averaged, objective(16), RECIPES[name])
    fit(plain, objective(16), replace(RECIPES[name], optimizer="adamw", ema_decay=None))
    start, mean, last = (
        torch.cat([p.detach().flatten() for p in model.parameters()])
        for model in (build("encoder"), averaged, plain)
    )
    assert 0 < (mean - start).norm() < (last - start).norm()


def test_evaluating_changes_nothing_that_is_learned() -> None:
    losses = [
        [s.loss for s in fit(build("encoder"), objective(16), RECIPES["ema"], evaluate=e).steps]
        for e in (None, _loss)
    ]
    assert losses[0] == losses[1]


def test_weights_are_not_averaged_twice() -> None:
    recipe = replace(RECIPE, optimizer="schedule_free", ema_decay=0.9)
    with pytest.raises(SettingsError, match="averages the weights itself"):
        fit(build("encoder"), objective(16), recipe)
