"""Learning-rate schedules: a warm-up from zero, then down to zero or flat."""

import math
from collections.abc import Callable

SHAPES: dict[str, Callable[[float], float]] = {
    "linear": lambda done: 1.0 - done,
    "cosine": lambda done: 0.5 * (1.0 + math.cos(math.pi * done)),
    "constant": lambda done: 1.0,
}
"""Share of the peak rate by the share of the run done after warm-up."""


def factor(step: int, num_steps: int, *, schedule: str, warmup_share: float) -> float:
    """Share of the peak learning rate at ``step`` (from 0) of ``num_steps``."""
    warmup = round(warmup_share * num_steps)
    if step < warmup:
        return (step + 1) / warmup
    return SHAPES[schedule]((step - warmup) / max(1, num_steps - warmup))
