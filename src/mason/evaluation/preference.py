"""Whether tuning taught a model which of two answers is better."""

from dataclasses import asdict
from typing import Any

import torch

from mason.language import say
from mason.metrics.texts import mean_estimate
from mason.tasks.preference import PER_TOKEN, Kind, Preferences

Block = dict[str, Any]


def judge_preferences(
    now: torch.Tensor,
    before: torch.Tensor | None,
    pairs: Preferences,
    *,
    kind: Kind,
    beta: float,
) -> Block:
    """Accuracies and margins on pairs, beside those of the model before it was tuned.

    Args:
        now: Log-probability of each answer, [2, pairs], the better ones first.
        before: The same before tuning; None: not known.
        pairs: The answers.
        kind: The loss; for some it is means a token that count.
        beta: Reward of a nat gained.

    Returns:
        ``scores``, ``nats`` and ``baselines`` of an evaluation, intervals over pairs.
    """
    sizes = pairs.sizes if kind in PER_TOKEN else torch.ones_like(now)
    margin = _margin(now / sizes)
    scores = {"preferred": mean_estimate((margin > 0).astype(float))}
    nats = {"margin": mean_estimate(margin)}
    rivals = []
    if before is not None:
        then = _margin(before / sizes)
        gained = margin - then
        scores["reward_accuracy"] = mean_estimate((gained > 0).astype(float))
        nats["margin_before"] = mean_estimate(then)
        nats["reward_margin"] = mean_estimate(beta * gained)
        usual = asdict(mean_estimate((then > 0).astype(float)))
        rivals = [{"name": say("the model before tuning"), "scores": {"preferred": usual}}]
    return {
        "scores": {name: asdict(value) for name, value in scores.items()},
        "nats": {name: asdict(value) for name, value in nats.items()},
        "baselines": rivals,
    }


def _margin(sides: torch.Tensor) -> Any:
    return (sides[0] - sides[1]).double().numpy()
