"""From logits to tokens: bias and penalties, what is cut off, and the draw."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import cross_entropy

from mason.generation.constraints import permitted
from mason.generation.sampling import Sampling
from mason.layers import native

_COLDEST = 1e-30
"""A temperature at which the likeliest is all there is; colder ones are none in fp32."""


@dataclass(frozen=True)
class Context:
    """What stands before a token: everything the decoder read, of which some was given."""

    tokens: Sequence[int]
    num_given: int


def adjusted(
    scores: Float[Tensor, "R V"], contexts: Sequence[Context] | None, sampling: Sampling
) -> Float[Tensor, "R V"]:
    """Scores with the bias, then the penalties, of each row's context.

    Args:
        scores: Logits or log-probabilities.
        contexts: One for each row; needed where ``sampling.penalises``.
        sampling: The settings.
    """
    if not sampling.logit_bias and not sampling.penalises:
        return scores
    scores = scores.clone()
    if sampling.logit_bias:
        ids = torch.tensor(list(sampling.logit_bias), device=scores.device)
        scores[:, ids] += torch.tensor(list(sampling.logit_bias.values()), device=scores.device)
    if sampling.penalises:
        assert contexts is not None, "penalties look back"
        for row, context in zip(scores, contexts, strict=True):
            _penalise(row, context, sampling)
    return scores


def _penalise(row: Float[Tensor, "V"], context: Context, sampling: Sampling) -> None:
    if sampling.repetition_penalty != 1.0:
        seen = torch.tensor(sorted(set(context.tokens)), device=row.device)
        found, by = row[seen], sampling.repetition_penalty
        row[seen] = torch.where(found < 0, found * by, found / by)
    new = context.tokens[context.num_given :]
    if new and (sampling.frequency_penalty or sampling.presence_penalty):
        ids, counts = torch.tensor(new, device=row.device).unique(return_counts=True)
        row[ids] -= sampling.frequency_penalty * counts + sampling.presence_penalty


def warped(scores: Float[Tensor, "R V"], sampling: Sampling) -> Float[Tensor, "R V"]:
    """Scores by temperature, with minus infinity for tokens that shall not be drawn."""
    scores = scores / max(sampling.temperature, _COLDEST)
    if sampling.top_k is not None and sampling.top_k < scores.shape[-1]:
        least = scores.topk(sampling.top_k).values[:, -1:]
        scores = scores.masked_fill(scores < least, -torch.inf)
    if sampling.top_p < 1.0:
        ordered, ids = scores.sort(descending=False)
        # From the unlikely end, so that rounding is small where the cut is.
        cut = ordered.softmax(-1).cumsum(-1) <= 1 - sampling.top_p
        cut[:, -1] = False
        scores = scores.masked_fill(cut.scatter(1, ids, cut), -torch.inf)
    if sampling.min_p > 0.0:
        likely = scores.softmax(-1)
        scores = scores.masked_fill(likely < sampling.min_p * likely.amax(-1, True), -torch.inf)
    return scores


def choose(
    logits: Float[Tensor, "R V"],
    contexts: Sequence[Context] | None,
    uniforms: Sequence[float] | None,
    sampling: Sampling,
    allowed: Bool[Tensor, "R V"] | None = None,
) -> Int[Tensor, "R"]:
    """A token for each row: the likeliest, or that at its number in [0, 1) of the whole.

    One number a token, so that what is drawn is the same on every device, to rounding, and
    does not depend on the other rows. ``allowed`` is what a constraint leaves to choose from.
    """
    scores = adjusted(logits, contexts, sampling)
    if allowed is not None:
        scores = permitted(scores, allowed)
    if not sampling.temperature:
        return scores.argmax(-1)
    assert uniforms is not None, "a draw needs a number"
    # From the likeliest down, so that no temperature and no bias makes them overflow.
    scores = scores.clamp(max=torch.finfo(scores.dtype).max)
    scores = scores - scores.amax(-1, keepdim=True)
    upto = warped(scores, sampling).double().softmax(-1).cumsum(-1)
    total = upto[:, -1:]
    points = torch.tensor(uniforms, dtype=torch.double, device=upto.device)[:, None] * total
    # Below the whole, whatever the rounding: else a token of no weight would be taken.
    points = torch.minimum(points, torch.nextafter(total, torch.zeros_like(total)))
    return torch.searchsorted(upto, points, right=True).squeeze(1)


def choose_likeliest(
    logits: Float[Tensor, "R V"],
) -> tuple[Int[Tensor, "R"], Float[Tensor, "R"]]:
    """The likeliest token of each row, and its log-probability, where no setting changes it."""
    with native.decoding():
        if native.serves(logits):
            return native.likeliest(logits)
    tokens = logits.argmax(-1)
    return tokens, log_probabilities(logits, tokens)


def log_probabilities(logits: Float[Tensor, "R V"], tokens: Int[Tensor, "R"]) -> Float[Tensor, "R"]:
    """The model's own log-probability of each row's token, before any setting."""
    return -cross_entropy(logits, tokens, reduction="none")
