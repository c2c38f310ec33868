"""What tuning changed in a conversation: the loss of an answer's tokens, before and after."""

from dataclasses import asdict
from typing import Any

from mason.language import say
from mason.metrics.tokens import ratio_estimate
from mason.tasks.dialogue import Told

Block = dict[str, Any]


def judge_dialogue(now: Told, before: Told | None) -> Block:
    """Scores of the answers' tokens, beside those of the model before it was tuned.

    Args:
        now: What the model says of the rows.
        before: What it said of the same rows before; None: not known.

    Returns:
        ``scores``, ``nats`` and ``baselines`` of an evaluation, with intervals over
        conversations; ``gain`` is of the same rows, and so narrower than its two parts.
    """
    accuracy = ratio_estimate(now.right, now.counts)
    nats = {"loss": ratio_estimate(now.losses, now.counts)}
    rivals = []
    if before is not None:
        nats["loss_before"] = ratio_estimate(before.losses, before.counts)
        nats["gain"] = ratio_estimate(before.losses - now.losses, now.counts)
        then = asdict(ratio_estimate(before.right, before.counts))
        rivals = [{"name": say("the model before tuning"), "scores": {"token_accuracy": then}}]
    return {
        "scores": {"token_accuracy": asdict(accuracy)},
        "nats": {name: asdict(value) for name, value in nats.items()},
        "baselines": rivals,
        "targets": int(now.counts.sum()),
    }
