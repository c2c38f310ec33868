"""Learning-rate schedules: a warm-up from zero, then down, to zero early or late, or never."""

import math
from collections.abc import Callable

SHAPES: dict[str, Callable[[float], float]] = {
    "linear": lambda done: 1.0 - done,
    "cosine": lambda done: 0.5 * (1.0 + math.cos(math.pi * done)),
    "wsd": lambda done: 1.0 - done,
    "constant": lambda done: 1.0,
}
"""Share of the peak rate by the share of the fall that is done."""
ROOT = "inverse_sqrt"
"""The schedule that depends on the number of the step, and on no end."""


def factor(
    step: int, num_steps: int, *, schedule: str, warmup_share: float, decay_share: float = 0.2
) -> float:
    """Share of the peak learning rate at ``step`` (from 0) of ``num_steps``.

    The fall begins after the warm-up; that of ``wsd`` (warm-up, stable, decay; Hu et al.
    2024) takes only the last ``decay_share`` of the steps. ``inverse_sqrt`` (Vaswani et al. 2017)
    ends where the steps do: it falls with the root of their number.
    """
    warmup = round(warmup_share * num_steps)
    if step < warmup:
        return (step + 1) / warmup
    if schedule == ROOT:
        return math.sqrt(max(1, warmup) / (step + 1))
    fall = num_steps - warmup
    if schedule == "wsd":
        fall = min(fall, max(1, round(decay_share * num_steps)))
    return SHAPES[schedule](max(0, step - (num_steps - fall)) / max(1, fall))
