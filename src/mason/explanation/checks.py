"""Whether a picture may be shown, and the sentence that stands in its place where it may not."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch

from mason.explanation.faithfulness import FEWEST_WORDS, Faithfulness
from mason.explanation.methods import Method, Weighed
from mason.explanation.subjects import Subject, Weights
from mason.language import say
from mason.models.transformer import Transformer

Check = Literal["length", "skill", "effect", "order", "sum", "weights"]
"""What can fail: too few words; a model whose answers are no better than one label for all; words
that do nothing; an order no better than random ones; a sum that is not what the method promises;
a picture that shuffled weights give too."""

LEAST_RANGE = 0.05
LEAST_BEATEN = 0.9
MOST_LIKENESS = 0.9
MOST_INCOMPLETE = 0.01
_SHUFFLES = 3


@dataclass(frozen=True)
class Trust:
    """What is known of how true a picture is.

    Attributes:
        faithfulness: None where there are too few words.
        likeness: Mean rank correlation of its words with those under shuffled weights
            (Adebayo et al. 2018): 1 says that it is not about what the model has learned.
        incompleteness: See ``Weighed``.
        failed: The first check that failed; None: the picture may be shown.
    """

    faithfulness: Faithfulness | None = None
    likeness: float | None = None
    incompleteness: float | None = None
    failed: Check | None = None


def trust(
    subject: Subject, weighed: Weighed, judged: Faithfulness | None, likeness: float | None
) -> Trust:
    """Hold what was measured of a picture against the bounds."""
    told = Trust(judged, likeness, weighed.incompleteness)
    return replace(told, failed=_failed(subject, told))


def _failed(subject: Subject, told: Trust) -> Check | None:
    if told.faithfulness is None or len(subject.words) < FEWEST_WORDS:
        return "length"
    least = LEAST_RANGE if subject.number.probable else 1e-6
    if told.faithfulness.range < least:
        return "effect"
    if told.faithfulness.margin <= 0 or told.faithfulness.beaten < LEAST_BEATEN:
        return "order"
    if told.incompleteness is not None and told.incompleteness > MOST_INCOMPLETE:
        return "sum"
    if told.likeness is not None and told.likeness > MOST_LIKENESS:
        return "weights"
    return None


def sentence(told: Trust) -> str:
    """Why a picture is withheld, in words; empty where it is not."""
    if told.failed is None:
        return ""
    if told.failed == "length":
        return say("Withheld: a text of fewer than three words has no order to test.")
    if told.failed == "skill":
        return say(
            "Withheld: on these rows the model is no better than the commonest label for all, so "
            "there is nothing to explain."
        )
    judged = told.faithfulness
    assert judged is not None, "only short texts are not judged"
    if told.failed == "effect":
        return say(
            "Withheld: the words hardly move this answer (by {range:.3f} at most).",
            range=judged.range,
        )
    if told.failed == "order":
        return say(
            "Withheld: taking words away in its order tells less than it should; it beats only "
            "{beaten:.0%} of random orders.",
            beaten=judged.beaten,
        )
    if told.failed == "sum":
        return say(
            "Withheld: its weights do not add up to the answer (off by {share:.1%}).",
            share=told.incompleteness,
        )
    return say(
        "Withheld: shuffled weights give nearly the same picture (rank correlation "
        "{likeness:.2f}).",
        likeness=told.likeness,
    )


@torch.no_grad()
def shuffle(network: Transformer, seed: int) -> None:
    """Put rows and columns of every parameter in another order.

    So nothing that was learned is left, and no layer is quieter than before.
    """
    chance = torch.Generator().manual_seed(seed)
    for parameter in network.parameters():
        moved = parameter.detach()
        for dim, size in enumerate(moved.shape):
            places = torch.randperm(size, generator=chance).to(moved.device)
            moved = moved.index_select(dim, places)
        parameter.copy_(moved)


def likeness(subject: Subject, method: Method, weights: Weights, other: Transformer) -> float:
    """Mean rank correlation of the words' sizes with those under shuffled weights.

    Args:
        subject: What is explained.
        method: How.
        weights: What the method found.
        other: A copy of the network; its weights are shuffled here.
    """
    weigh, found = method.rough or method.weigh, []
    for seed in range(_SHUFFLES):
        shuffle(other, seed)
        found.append(_rank_correlation(weights, weigh(replace(subject, network=other)).weights))
    return float(np.mean(found))


def _rank_correlation(a: Weights, b: Weights) -> float:
    from scipy.stats import spearmanr

    if np.ptp(np.abs(a)) == 0 or np.ptp(np.abs(b)) == 0:
        return 0.0
    return float(spearmanr(np.abs(a), np.abs(b)).statistic)
