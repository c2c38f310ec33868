"""The training loop, on one page."""

from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor, nn

from mason.errors import RunError
from mason.language import say
from mason.training.compiling import compiled
from mason.training.diagnosis import Explainer
from mason.training.history import Evaluation, History, Step
from mason.training.interruption import Interruption
from mason.training.pacing import Pacing
from mason.training.private_step import take_private_step
from mason.training.recipe import Recipe
from mason.training.state import Objective, State
from mason.training.step import take_step
from mason.training.world import ALONE, World

Scores = dict[str, Any]
Evaluate = Callable[[nn.Module], Scores]
"""Validation scores: ``valid_loss`` and, where there are any, the other fields."""
Watch = Callable[[History], None]
"""Called after every step and evaluation."""

_FAILURES, _ROLLBACKS = 3, 3
"""Refused steps in a row before the run goes back; how often it may go back."""


class Keeper(Protocol):
    """Who remembers a run: memory alone, or checkpoints on the disk."""

    resumable: bool
    capsules: Path | None

    def restore(self, state: State) -> bool:
        """Bring a run to where it was kept last; False if it was not."""

    def after_step(self, state: State) -> None:
        """Keep the run if it is time."""

    def keep(self, state: State) -> None:
        """Keep the run now."""

    def keep_best(self, state: State) -> None:
        """Keep these weights as the best so far."""

    def restore_best(self, state: State) -> None:
        """Bring the best weights back."""

    def close(self) -> None:
        """Finish what is being written."""


class Memory:
    """Keeps the best weights beside the model, and nothing of the run."""

    resumable = False
    capsules: Path | None = None

    def __init__(self) -> None:
        self._best: dict[str, Tensor] = {}

    def restore(self, state: State) -> bool:
        """Nothing is kept."""
        return False

    def after_step(self, state: State) -> None:
        """Nothing to do."""

    def keep(self, state: State) -> None:
        """Nothing to do."""

    def keep_best(self, state: State) -> None:
        """Copy the weights."""
        best = state.weights() | state.averages()
        self._best = {name: w.detach().clone() for name, w in best.items()}

    def restore_best(self, state: State) -> None:
        """Copy them back."""
        for name, weight in state.weights().items():
            if name in self._best:
                weight.detach().copy_(self._best[name])

    def close(self) -> None:
        """Nothing to do."""


def fit(
    model: nn.Module,
    objective: Objective,
    recipe: Recipe,
    *,
    evaluate: Evaluate | None = None,
    fresh: Sequence[str] = (),
    watch: Watch = lambda history: None,
    keeper: Keeper | None = None,
    world: World = ALONE,
    pacing: Pacing | None = None,
) -> History:
    """Train, and leave the model as it was at its best evaluation.

    Args:
        model: Trained in place, on the device it is on.
        objective: Where losses come from.
        recipe: Every number of the run.
        evaluate: Called ``evaluations_per_epoch`` times an epoch, and at the end.
        fresh: Names of parameters that start from random weights.
        watch: Called after every step and evaluation.
        keeper: Keeps the run, and continues one it kept; None: nothing outlives the process.
        world: The processes that train it together, as ``world.share`` made it.
        pacing: A budget of time, which the number of steps then follows.

    Raises:
        RunError: Training broke down for good, or one example alone does not fit the memory.
    """
    state = State.fresh(model, objective, recipe, fresh, world)
    kept: Keeper = keeper or Memory()
    kept.restore(state)
    if state.gaps is not None:
        state.gaps.begin()
    history, explain = state.history, Explainer(kept.capsules)
    if pacing is not None:
        pacing.begin(history, world)
    model.train()
    with Interruption() as interruption, closing(kept), compiled(model, recipe.compile):
        _look(state, evaluate, kept, watch)
        while not history.ended:
            history.steps.append(_taken(state, objective, explain))
            if pacing is not None:
                pacing.after_step(history, world)
            watch(history)
            signal = world.highest(interruption.signal or 0)
            if signal:
                history.stopped, history.signal = "interrupted", signal
                watch(history)
                if kept.resumable:
                    break
            if state.guard.failures >= _FAILURES:
                _go_back(state, kept)
            _look(state, evaluate, kept, watch)
            kept.after_step(state)
        kept.keep(state)
    model.eval()
    if not (history.stopped == "interrupted" and kept.resumable):
        state.settle()
        kept.restore_best(state)
    return history


def _taken(state: State, objective: Objective, explain: Explainer) -> Step:
    privacy = state.recipe.privacy
    if privacy is None:
        return take_step(state, objective, explain)
    return take_private_step(state, objective, privacy)


def _look(state: State, evaluate: Evaluate | None, keeper: Keeper, watch: Watch) -> None:
    """Evaluate where it is due; keep the weights if they are the best so far."""
    if evaluate is None or not state.evaluation_due:
        return
    history, recent = state.history, state.history.steps[-state.evaluate_every :]
    last: Step = history.steps[-1]
    losses = [s.loss for s in recent if s.refused is None] or [last.loss]
    train_loss = sum(losses) / len(losses)
    state.model.eval()
    with state.averaged():
        scores = evaluate(state.model)
    state.model.train()
    better = history.add(Evaluation(last.step, last.epoch, train_loss, **scores))
    if not better and _out_of_patience(history, state.recipe.patience):
        history.stopped = "early"
    watch(history)  # first: a checkpoint remembers the log up to here
    if better:
        keeper.keep_best(state)


def _out_of_patience(history: History, patience: int | None) -> bool:
    if patience is None or history.best is None or history.stopped != "finished":
        return False
    since = [e for e in history.evaluations if e.step > history.best.step]
    return len(since) >= patience


def _go_back(state: State, keeper: Keeper) -> None:
    """Return to the last checkpoint with half the learning rate, or give up."""
    reason, step = state.history.steps[-1].refused, state.history.step
    rollbacks, scale = state.rollbacks + 1, state.rate_scale / 2
    if rollbacks > _ROLLBACKS or not keeper.restore(state):
        raise RunError(
            "Training has broken down at step {step}: {reason}, {times} steps in a row; lower "
            "--training.learning-rate, or choose --training.precision fp32.",
            step=step,
            reason=reason,
            times=_FAILURES,
        )
    state.rollbacks, state.rate_scale = rollbacks, scale
    state.history.notices.append(
        say(
            "After {times} refused steps the run went back from step {step} to step {kept} and "
            "goes on with {scale:.2g} of the learning rate.",
            times=_FAILURES,
            step=step,
            kept=state.history.step,
            scale=scale,
        )
    )
