"""The loop: it learns, it adds up, it keeps the best, it stops when it should."""

import os
import signal
from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch

from mason.models.spec import Topology
from mason.training.loop import History, fit
from mason.training.recipe import Recipe
from tests.models.small import TOPOLOGIES
from tests.training.small import build, objective

RECIPE = Recipe(epochs=3, batch_size=5, learning_rate=3e-3, precision="fp32", schedule="constant")


def _weights(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in model.named_parameters()}


def _same(ours: dict[str, torch.Tensor], theirs: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(ours[name], theirs[name]) for name in theirs)


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_the_loss_falls(topology: Topology) -> None:
    model = build(topology)
    history = fit(model, objective(), replace(RECIPE, epochs=40, batch_size=16))
    losses = [step.loss for step in history.steps]
    assert losses[-1] < 0.1 * losses[0]
    assert not model.training


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_accumulation_changes_nothing(topology: Topology) -> None:
    """Sixteen examples in one pass and in sixteen passes: the same steps, to 1e-6."""
    found = []
    for budget in (10_000, 1):
        model, passes = build(topology), []
        learned = objective(16)
        inner = learned.loss
        learned.loss = lambda m, run, inner=inner, passes=passes: (
            passes.append(len(run)),
            inner(m, run),
        )[1]
        recipe = replace(
            RECIPE, batch_size=16, max_steps=3, tokens_per_pass=budget, learning_rate=1e-4
        )
        history = fit(model, learned, recipe)
        assert passes == ([16] * 3 if budget > 1 else [1] * 48)
        found.append((_weights(model), history))
    (_, first), (_, second) = found
    for mine, theirs in zip(first.steps, second.steps, strict=True):
        assert mine.loss == pytest.approx(theirs.loss, rel=1e-6)
        assert mine.gradient_norm == pytest.approx(theirs.gradient_norm, rel=1e-6)


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_gradients_of_one_pass_are_those_of_sixteen(topology: Topology) -> None:
    model, learned = build(topology), objective(16)

    def gradients(runs: list[list[int]]) -> dict[str, torch.Tensor]:
        model.zero_grad()
        for run in runs:
            (learned.loss(model, run) / 16).backward()
        return {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}

    once, often = gradients([list(range(16))]), gradients([[i] for i in range(16)])
    assert set(once) == set(often)
    largest = max(gradient.abs().max() for gradient in once.values())
    for name, gradient in once.items():
        assert (gradient - often[name]).abs().max() <= 1e-6 * largest, name


def test_the_same_seed_gives_the_same_bits_and_another_does_not() -> None:
    def run(seed: int) -> dict[str, torch.Tensor]:
        model = build("encoder")
        fit(model, objective(), replace(RECIPE, seed=seed))
        return _weights(model)

    first = run(1)
    assert _same(first, run(1))
    assert not _same(first, run(2))


@pytest.mark.parametrize(("per_epoch", "wanted"), [(1, [4, 8, 12]), (2, [2, 4, 6, 8, 10, 12])])
def test_evaluations_are_as_many_as_asked(per_epoch: int, wanted: list[int]) -> None:
    seen: list[bool] = []

    def evaluate(model: torch.nn.Module) -> dict[str, float]:
        seen.append(model.training)
        return {"valid_loss": 1.0, "valid_accuracy": 0.5}

    recipe = replace(RECIPE, evaluations_per_epoch=per_epoch)
    history = fit(build("encoder"), objective(16), recipe, evaluate=evaluate)
    assert [e.step for e in history.evaluations] == wanted
    assert seen == [False] * len(wanted)
    assert [e.epoch for e in history.evaluations] == [step / 4 for step in wanted]
    assert {e.valid_accuracy for e in history.evaluations} == {0.5}


def test_the_end_is_evaluated_though_it_is_within_an_epoch() -> None:
    recipe = replace(RECIPE, max_steps=6)
    history = fit(
        build("encoder"), objective(16), recipe, evaluate=lambda model: {"valid_loss": 1.0}
    )
    assert [e.step for e in history.evaluations] == [4, 6]
    assert history.num_steps == len(history.steps) == 6


class _Scripted:
    """Validation losses as told; the weights at each evaluation are kept."""

    def __init__(self, *losses: float) -> None:
        self.losses: Iterator[float] = iter(losses)
        self.weights: list[dict[str, torch.Tensor]] = []

    def __call__(self, model: torch.nn.Module) -> dict[str, float]:
        self.weights.append(_weights(model))
        return {"valid_loss": next(self.losses)}


def test_the_best_weights_come_back() -> None:
    model, evaluate = build("encoder"), _Scripted(3.0, 1.0, 2.0)
    history = fit(model, objective(16), RECIPE, evaluate=evaluate)
    assert history.best is not None and history.best.step == 8
    assert _same(_weights(model), evaluate.weights[1])
    assert not _same(_weights(model), evaluate.weights[2])
    assert history.stopped == "finished"


def test_patience_counts_evaluations_without_a_better_one() -> None:
    model, evaluate = build("encoder"), _Scripted(3.0, 1.0, 2.0, 1.5, 0.1)
    recipe = replace(RECIPE, epochs=5, patience=2)
    history = fit(model, objective(16), recipe, evaluate=evaluate)
    assert [e.valid_loss for e in history.evaluations] == [3.0, 1.0, 2.0, 1.5]
    assert history.stopped == "early"
    assert _same(_weights(model), evaluate.weights[1])


def test_steps_say_what_was_done() -> None:
    learned = objective(16)
    recipe = replace(RECIPE, schedule="linear", warmup_share=0.25)
    seen: list[int] = []
    history = fit(
        build("encoder"), learned, recipe, watch=lambda history: seen.append(len(history.steps))
    )
    assert seen == list(range(1, 13))
    assert sum(step.tokens for step in history.steps) == 3 * sum(learned.lengths)
    rates = [step.learning_rate / recipe.learning_rate for step in history.steps]
    assert rates[:4] == pytest.approx([1 / 3, 2 / 3, 1, 1])
    assert rates[-1] == pytest.approx(1 / 9)
    assert all(step.gradient_norm > 0 and step.seconds > 0 for step in history.steps)


def _interrupt(at: int, times: int = 1) -> "tuple[list[int], object]":
    seen: list[int] = []

    def watch(history: History) -> None:
        if len(history.steps) == at and at not in seen:
            for _ in range(times):
                os.kill(os.getpid(), signal.SIGINT)
        seen.append(len(history.steps))

    return seen, watch


def test_ctrl_c_ends_after_the_step_and_keeps_the_best() -> None:
    before = signal.getsignal(signal.SIGINT)
    _, watch = _interrupt(at=6)
    model, evaluate = build("encoder"), _Scripted(1.0, 2.0)
    history = fit(model, objective(16), RECIPE, evaluate=evaluate, watch=watch)
    assert history.stopped == "interrupted"
    assert [e.step for e in history.evaluations] == [4, 6]
    assert len(history.steps) == 6
    assert _same(_weights(model), evaluate.weights[0])
    assert signal.getsignal(signal.SIGINT) is before


def test_a_second_ctrl_c_leaves_at_once() -> None:
    before = signal.getsignal(signal.SIGINT)
    _, watch = _interrupt(at=6, times=2)
    with pytest.raises(KeyboardInterrupt):
        fit(build("encoder"), objective(16), RECIPE, watch=watch)
    assert signal.getsignal(signal.SIGINT) is before
