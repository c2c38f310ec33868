"""Steps that would ruin a model: refused, explained, survived; and no alarm where all is well."""

import math
import random
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from mason.errors import RunError
from mason.tasks.classification import ClassificationObjective, Examples
from mason.training.checkpoints import Checkpoints
from mason.training.history import History
from mason.training.log import Log
from mason.training.loop import fit
from mason.training.recipe import Recipe
from tests.chaos.findings import Findings
from tests.training.small import LABELS, build, examples

FULL = pytest.mark.chaos
RECIPE = Recipe(epochs=6, batch_size=8, learning_rate=3e-3, precision="fp32")
NUM = 64


class Poisoned(ClassificationObjective):
    """Multiplies the loss of some examples, which has the same effect as an input of that size."""

    def __init__(self, learned: Examples, poison: Mapping[int, float]) -> None:
        super().__init__(learned)
        self.poison = poison

    def loss(self, model: nn.Module, run: list[int]) -> Tensor:
        clean = super().loss(model, run)
        return clean * math.prod(self.poison.get(int(i), 1.0) for i in run)


def objective(poison: Mapping[int, float], seed: int = 3) -> Poisoned:
    """Examples of which some are poisoned."""
    return Poisoned(examples(NUM, seed), poison)


def train(
    learned: ClassificationObjective, folder: Path, recipe: Recipe = RECIPE, seed: int = 5
) -> tuple[History, list[bool]]:
    """Train; the history, and for each step whether it changed a parameter."""
    kept = Checkpoints(folder / "checkpoints", Log(folder / "log.jsonl"), every_steps=2)
    model = build("encoder", seed)
    before, changed = [p.detach().clone() for p in model.parameters()], []

    def watch(history: History) -> None:
        now = [p.detach().clone() for p in model.parameters()]
        changed.append(any(not torch.equal(a, b) for a, b in zip(before, now, strict=True)))
        before[:] = now

    return fit(model, learned, recipe, watch=watch, keeper=kept), changed


@pytest.mark.parametrize("kind", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("times", [2, pytest.param(20, marks=FULL)])
def test_a_poisoned_row_changes_nothing_and_is_named(
    times: int, kind: float, findings: Findings, tmp_path: Path
) -> None:
    chance, refused_steps = random.Random(0), 0
    for number in range(times):
        row = chance.randrange(NUM)
        folder = tmp_path / str(number)
        folder.mkdir()
        history, changed = train(objective({row: kind}, seed=number), folder)
        refused = [s for s in history.steps if s.refused]
        assert len(refused) == RECIPE.epochs  # its batch comes once an epoch
        assert [s.refused is None for s in history.steps] == changed
        told = [n for n in history.notices if "changed no weight" in n]
        assert len(told) == len(refused)
        assert all(f"Training examples {row};" in notice for notice in told), told
        refused_steps += len(refused)
    findings.add(
        f"a row whose loss is {kind}",
        times,
        f"{refused_steps} bad steps: 0 changed a parameter, {refused_steps} named the row",
    )


def test_a_rate_of_a_million_ends_in_a_sentence(findings: Findings, tmp_path: Path) -> None:
    recipe = replace(RECIPE, learning_rate=1e6, schedule="constant", epochs=20)
    with pytest.raises(RunError, match="lower --training") as told:
        train(objective({}), tmp_path, recipe)
    findings.add("learning rate 1e6", 1, f"the run ended: {told.value}")


@pytest.mark.parametrize("times", [3, pytest.param(20, marks=FULL)])
def test_clean_runs_raise_no_alarm(times: int, findings: Findings, tmp_path: Path) -> None:
    steps = 0
    for number in range(times):
        folder = tmp_path / str(number)
        folder.mkdir()
        rate = (1e-3, 3e-3, 1e-2, 3e-2)[number % 4]
        recipe = replace(RECIPE, learning_rate=rate, seed=number)
        history, _ = train(objective({}, seed=number), folder, recipe, seed=number)
        assert not [s for s in history.steps if s.refused], (number, rate)
        steps += history.step
    findings.add(f"clean runs of {steps // times} steps, rates 1e-3 to 3e-2", times, "0 alarms")


class Flipped(ClassificationObjective):
    """Gives every example another label while a window of steps is open."""

    window = range(0)
    asked = 0

    def loss(self, model: nn.Module, run: list[int]) -> Tensor:
        right = self.targets
        if model.training:
            self.asked += 1
        if model.training and self.asked in self.window:
            self.targets = (right + 1) % len(LABELS)
        try:
            return super().loss(model, run)
        finally:
            self.targets = right


@FULL
def test_a_window_of_flipped_labels_is_survived(findings: Findings, tmp_path: Path) -> None:
    """A third of the labels is noise, so that no run can learn its rows by heart."""
    recipe, ratios = replace(RECIPE, epochs=4), []
    for number in range(5):
        learned, losses = examples(512, seed=number), []
        chance = random.Random(number)
        noisy = [t if chance.random() < 0.7 else chance.randrange(3) for t in learned.targets or ()]
        for window in (range(0), range(100, 106)):
            flipped = Flipped(replace(learned, targets=noisy))
            flipped.window = window
            history = fit(build("encoder", number), flipped, recipe)
            losses.append(sum(s.loss for s in history.steps[-64:]) / 64)
        ratios.append(losses[1] / losses[0])
    findings.add(
        "every label flipped for 6 of 256 steps",
        len(ratios),
        f"loss of the last epoch over the clean run's: median {sorted(ratios)[2]:.3f}, worst "
        f"{max(ratios):.3f}",
    )
    assert sorted(ratios)[2] <= 1.05, ratios
