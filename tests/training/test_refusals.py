"""Steps that would ruin a run are not taken, and say why."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mason.errors import RunError
from mason.training.diagnosis import replay
from mason.training.guard import Guard
from mason.training.history import History
from mason.training.loop import fit
from mason.training.recipe import Recipe
from mason.training.state import State
from tests.training.small import build, objective
from tests.training.test_checkpoints import keeper

WEIGHT = "encoder.layers.1.feed_forward.block.input.weight"
RECIPE = Recipe(epochs=3, batch_size=5, learning_rate=3e-3, precision="fp32")


class _Poisoned:
    """The small objective, but one example's loss is no number while ``poison`` says so."""

    def __init__(self, poison: int, steps: range = range(10**6)) -> None:
        self.inner, self.poison, self.steps, self.passes = objective(16), poison, steps, 0
        self.lengths = self.inner.lengths

    def count(self, batch: object) -> int:
        return self.inner.count(batch)

    def loss(self, model: torch.nn.Module, run: list[int]) -> torch.Tensor:
        if torch.is_grad_enabled():
            self.passes += 1
        loss = self.inner.loss(model, run)
        bad = self.poison in [int(i) for i in run] and self.passes in self.steps
        return loss * math.nan if bad else loss


def _weights(model: torch.nn.Module) -> list[torch.Tensor]:
    return [p.detach().clone() for p in model.parameters()]


def test_a_loss_that_is_no_number_changes_nothing_and_names_the_example(tmp_path: Path) -> None:
    model, kept = build("encoder"), keeper(tmp_path, capsules=tmp_path / "refused")
    seen: list[list[torch.Tensor]] = [_weights(model)]

    def watch(history: History) -> None:
        seen.append(_weights(model))

    history = fit(model, _Poisoned(7), RECIPE, watch=watch, keeper=kept)
    refused = [s for s in history.steps if s.refused]
    assert len(refused) == 3 and len(history.steps) == 12
    for step in refused:
        before, after = seen[step.step - 1], seen[step.step]
        assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
        assert math.isnan(step.loss)
    taken = next(s for s in history.steps if not s.refused)
    changed = zip(seen[taken.step - 1], seen[taken.step], strict=True)
    assert not all(torch.equal(a, b) for a, b in changed)
    assert len(history.notices) == 3
    assert all("Training examples 7;" in sentence for sentence in history.notices)


def test_the_first_layer_that_breaks_is_named() -> None:
    model = build("encoder")
    with torch.no_grad():
        dict(model.named_parameters())[WEIGHT][0, 0] = math.inf
    told: list[str] = []

    def watch(history: History) -> None:
        told[:] = history.notices

    with pytest.raises(RunError, match="3 steps in a row"):
        fit(model, objective(16), RECIPE, watch=watch)
    assert "not finite: encoder.layers.1.feed_forward" in told[0]
    assert f"{WEIGHT} was not finite" in told[0]


def test_a_refused_step_can_be_seen_again(tmp_path: Path) -> None:
    kept = keeper(tmp_path, capsules=tmp_path / "refused")
    learned = objective(16)
    real = learned.loss
    blown = replace(RECIPE, learning_rate=0.5, schedule="constant", warmup_share=0.0)
    calls = []

    def loss(model: torch.nn.Module, run: list[int]) -> torch.Tensor:
        calls.append(run)
        found = real(model, run)
        return found * 1e4 if len(calls) == 11 else found

    learned.loss = loss  # type: ignore[method-assign,assignment]
    history = fit(build("encoder"), learned, replace(blown, learning_rate=1e-3), keeper=kept)
    step = next(s for s in history.steps if s.refused)
    assert step.step == 11 and "jumped" in str(step.refused)
    capsule = tmp_path / "refused" / "step-00000011"
    learned.loss = lambda m, run: real(m, run) * 1e4  # type: ignore[method-assign]
    again = State.fresh(build("encoder", seed=9), learned, RECIPE, ())
    loss_again, norm_again = replay(capsule, again, learned)
    assert (loss_again, norm_again) == (step.loss, step.gradient_norm)


def test_after_three_refusals_the_run_goes_back_with_half_the_rate(tmp_path: Path) -> None:
    kept = keeper(tmp_path, every_steps=2)
    learned = objective(16)
    real, broken = learned.loss, {"on": False}

    def loss(model: torch.nn.Module, run: list[int]) -> torch.Tensor:
        found = real(model, run)
        return found * math.nan if broken["on"] else found

    learned.loss = loss  # type: ignore[method-assign,assignment]
    steps: list[int] = []

    def watch(history: History) -> None:
        kept.log(history)
        steps.append(history.step)
        # Steps 5, 6 and 7 break the first time they are taken.
        broken["on"] = steps.count(5) < 2 and history.step in (4, 5, 6)

    recipe = replace(RECIPE, schedule="constant", warmup_share=0.0)
    history = fit(build("encoder"), learned, recipe, watch=watch, keeper=kept)
    assert steps == [1, 2, 3, 4, 5, 6, 7, 5, 6, 7, 8, 9, 10, 11, 12]
    rates = [s.learning_rate / recipe.learning_rate for s in history.steps]
    assert rates == pytest.approx([1.0] * 4 + [0.5] * 8)
    assert not [s for s in history.steps if s.refused]


def test_a_run_that_never_recovers_ends_in_a_sentence(tmp_path: Path) -> None:
    kept = keeper(tmp_path, every_steps=2)
    learned = objective(16)
    real, calls = learned.loss, []

    def loss(model: torch.nn.Module, run: list[int]) -> torch.Tensor:
        calls.append(1)
        return real(model, run) * (math.nan if len(calls) > 4 else 1.0)

    learned.loss = loss  # type: ignore[method-assign,assignment]
    with pytest.raises(RunError, match="broken down at step 7: the loss is nan"):
        fit(build("encoder"), learned, RECIPE, keeper=kept, watch=kept.log)


@pytest.mark.parametrize(
    ("loss", "norm", "wanted"),
    [
        (0.1, 1.0, None),
        (math.nan, 1.0, "loss"),
        (math.inf, 1.0, "loss"),
        (0.1, math.inf, "gradient"),
        (0.1, math.nan, "gradient"),
        (2.0, 2.0, None),  # a loss like an untrained model's, a usual gradient
        (0.1, 1000.0, None),  # a hard batch late in training: a large gradient alone
        (4.0, 1000.0, "jumped"),
    ],
)
def test_what_is_refused(loss: float, norm: float, wanted: str | None) -> None:
    guard = Guard()
    for i in range(40):
        assert guard.judge(1.6 / (1 + i), 1.0) is None
    found = guard.judge(loss, norm)
    assert found is None if wanted is None else wanted in str(found)


class _Tight:
    """Memory for a few tokens a pass."""

    def __init__(self, most: int) -> None:
        self.inner, self.most, self.tried = objective(16), most, []
        self.lengths = self.inner.lengths

    def count(self, batch: object) -> int:
        return self.inner.count(batch)

    def loss(self, model: torch.nn.Module, run: list[int]) -> torch.Tensor:
        tokens = sum(self.lengths[i] for i in run)
        self.tried.append(tokens)
        if tokens > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 GiB")
        return self.inner.loss(model, run)


def test_out_of_memory_cuts_the_passes_and_not_the_batch() -> None:
    recipe = replace(RECIPE, batch_size=16, max_steps=4)
    wide, tight = build("encoder"), build("encoder")
    first = fit(wide, objective(16), recipe)
    learned = _Tight(most=max(objective(16).lengths) + 12)
    second = fit(tight, learned, recipe)
    assert max(learned.tried[-4:]) <= learned.most < sum(learned.lengths)
    for mine, theirs in zip(second.steps, first.steps, strict=True):
        assert mine.loss == pytest.approx(theirs.loss, rel=1e-6)
    assert any("Memory ran out" in sentence for sentence in second.notices)


def test_an_example_too_long_for_the_memory_ends_in_a_sentence() -> None:
    with pytest.raises(RunError, match="single example"):
        fit(build("encoder"), _Tight(most=3), RECIPE)


def test_other_errors_are_not_taken_for_a_lack_of_memory() -> None:
    learned = objective(16)

    def loss(model: torch.nn.Module, run: list[int]) -> torch.Tensor:
        raise RuntimeError("shapes do not match")

    learned.loss = loss  # type: ignore[method-assign,assignment]
    with pytest.raises(RuntimeError, match="shapes"):
        fit(build("encoder"), learned, RECIPE)
