"""A budget of time: how many steps fit in it is asked again on the way."""

import time

from mason.training.history import History
from mason.training.world import ALONE, World

_REPLANS = 40


class Pacing:
    """Keeps a run to its time.

    A probe before the first step can be a third off: machines warm up, get company, are left
    alone again. So the number of steps follows the pace of the run itself, evaluations
    included, and the schedule of the learning rate, which is a function of the share of the
    run that is done, ends where the time ends.

    Args:
        seconds: Of the whole run.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._marks: list[tuple[int, float]] = []
        self._start, self._every = 0.0, 1

    @classmethod
    def within(cls, seconds: float | None, spent: float) -> "Pacing | None":
        """What keeps training, with what came before it, within a budget; None: there is none."""
        return None if seconds is None else cls(max(1.0, seconds - spent))

    def begin(self, history: History, world: World = ALONE) -> None:
        """Start the clock; a run that goes on has spent the time of its steps."""
        spent = sum(step.seconds for step in history.steps)
        self._start = time.monotonic() - spent
        self._every = max(1, history.num_steps // _REPLANS)
        self._marks = [(0, 0.0)] if history.step else []
        if history.step:
            history.num_steps = world.first(lambda: self._fitting(history.step))
        self._marks = [(history.step, spent)]

    def after_step(self, history: History, world: World = ALONE) -> None:
        """Set how many steps there are: every so often, and early where the plan is far off."""
        step = history.step
        if step % self._every == 0 or step & (step - 1) == 0:
            history.num_steps = world.first(lambda: self._fitting(step))

    def _fitting(self, step: int) -> int:
        """Steps taken and those that still fit, at the pace of the later half so far."""
        now = time.monotonic() - self._start
        # A run that went back takes steps again: what lay ahead of it is no measure any more.
        kept = [mark for mark in self._marks if mark[0] < step]
        self._marks = [*(kept or [(0, 0.0)]), (step, now)]
        before, then = self._marks[(len(self._marks) - 1) // 2]
        a_step = (now - then) / max(1, step - before)
        return step + max(0, int((self.seconds - now) / a_step))
