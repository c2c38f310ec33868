"""The watch over loss and gradients: which steps must not be taken.

A loss or gradient that is no number would ruin every weight; a sudden jump of both is what
goes before a run that never comes back (OLMo 2 reports gradient spikes ahead of loss spikes).
"""

import math
from collections import deque
from statistics import median
from typing import Any

from mason.language import say

_WINDOW = 64
_BEGINNING = 10
_LOSS_JUMP = 1.5
_NORM_JUMP = 10.0


class Guard:
    """Judges each step before it is taken.

    A jump is a loss half as large again as an untrained model's, with a gradient ten times
    the usual: far from anything a hard batch does, so that clean runs raise no alarm.

    Attributes:
        failures: Refused steps in a row.
        losses: Of the last steps taken.
        norms: Gradient norms of the last steps taken.
    """

    def __init__(self) -> None:
        self.failures = 0
        self.beginning: list[float] = []
        self.losses: deque[float] = deque(maxlen=_WINDOW)
        self.norms: deque[float] = deque(maxlen=_WINDOW)

    def judge(self, loss: float, norm: float) -> str | None:
        """Why the step must not be taken; None: it may."""
        reason = self._reason(loss, norm)
        if reason is not None:
            self.failures += 1
            return reason
        self.failures = 0
        if len(self.beginning) < _BEGINNING:
            self.beginning.append(loss)
        self.losses.append(loss)
        self.norms.append(norm)
        return None

    def _reason(self, loss: float, norm: float) -> str | None:
        if not math.isfinite(loss):
            return say("the loss is {loss}", loss=loss)
        if not math.isfinite(norm):
            return say("the gradient is {norm}", norm=norm)
        if len(self.losses) < _BEGINNING:
            return None
        untrained = sum(self.beginning) / len(self.beginning)
        usual = median(self.norms)
        if loss > _LOSS_JUMP * untrained and norm > _NORM_JUMP * usual:
            return say(
                "the loss jumped to {loss:.3g} and the gradient to {times:.0f} times its median",
                loss=loss,
                times=norm / usual if usual else math.inf,
            )
        return None

    def facts(self) -> dict[str, Any]:
        """Its memory, for a checkpoint."""
        return {
            "failures": self.failures,
            "beginning": self.beginning,
            "losses": list(self.losses),
            "norms": list(self.norms),
        }

    def load(self, facts: dict[str, Any]) -> None:
        """The inverse of ``facts``."""
        self.failures, self.beginning = facts["failures"], list(facts["beginning"])
        self.losses = deque(facts["losses"], maxlen=_WINDOW)
        self.norms = deque(facts["norms"], maxlen=_WINDOW)
