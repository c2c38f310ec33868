"""Gradients with respect to token vectors: times the vectors, or along a path to them."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from mason.explanation.methods.method import Method, Weighed
from mason.explanation.subjects import Subject, Weights, pack, read
from mason.tasks.classification import PASS

_FEWEST, _MOST = 32, 256
_EXACT = 0.01
"""Incompleteness that more steps are taken to stay under."""


def gradient_x_input(subject: Subject) -> Weighed:
    """Each token's vector times the gradient there (Shrikumar et al. 2016), summed by word."""
    vectors = token_vectors(subject)
    gradient = _gradients(subject, vectors[None])[0]
    return Weighed(subject.of_words(_summed(gradient * vectors)))


def integrated_gradients(subject: Subject, most: int = _MOST) -> Weighed:
    """Gradients along a straight path from blanks to the words (Sundararajan et al. 2017).

    Their sum is what the number gains on that path; steps are doubled until it is, to 1 %.

    Args:
        subject: What is explained.
        most: Steps that are not exceeded.
    """
    blank = subject.blanked(np.zeros((1, len(subject.words)), dtype=bool))[0]
    full, bare = read([subject, blank])
    start, end = token_vectors(blank), token_vectors(subject)
    steps = min(_FEWEST, most)
    while True:
        told = integrate(subject, start, end, steps)
        wrong = abs(told.sum() - (full - bare)) / max(abs(full - bare), 1e-9)
        if wrong <= _EXACT or steps >= most:
            return Weighed(subject.of_words(told), float(wrong))
        steps *= 2


def integrate(
    subject: Subject, start: Float[Tensor, "T D"], end: Float[Tensor, "T D"], steps: int
) -> Weights:
    """Integrated gradients of each token by Gauss–Legendre quadrature of so many steps."""
    places, shares = np.polynomial.legendre.leggauss(steps)
    at_once = max(1, PASS // len(subject.tokens))
    total = torch.zeros_like(end)
    for first in range(0, steps, at_once):
        part = slice(first, first + at_once)
        alpha = _as(end, (places[part] + 1) / 2)[:, None, None]
        weight = _as(end, shares[part] / 2)[:, None, None]
        gradients = _gradients(subject, start + alpha * (end - start))
        total += (weight * gradients).sum(0)
    return _summed(total * (end - start))


def _gradients(subject: Subject, vectors: Float[Tensor, "N T D"]) -> Float[Tensor, "N T D"]:
    """Of the number with respect to the token vectors it is computed from."""
    vectors = vectors.detach().requires_grad_()
    packed, rows = pack([subject] * len(vectors))

    def replace(_: nn.Module, given: Sequence[Any], looked_up: Tensor) -> Tensor | None:
        # An encoder's table may be the decoder's too, whose tokens stay as they are.
        return vectors.flatten(0, 1) if given[0] is packed.tokens else None

    handle = _table(subject).register_forward_hook(replace)
    try:
        with torch.enable_grad():
            number = subject.number(subject.network, packed, rows).sum()
    finally:
        handle.remove()
    (found,) = torch.autograd.grad(number, vectors)
    return found


def _table(subject: Subject) -> nn.Embedding:
    stack = subject.network.encoder or subject.network.decoder
    assert stack is not None, "a spec has a stack"
    table: nn.Embedding = stack.embedding.tokens
    return table


@torch.no_grad()
def token_vectors(subject: Subject) -> Float[Tensor, "T D"]:
    """The vector of each token, as its table holds it."""
    table = _table(subject)
    found: Tensor = table(torch.tensor(subject.tokens, device=table.weight.device))
    return found


def _as(like: Tensor, numbers: Any) -> Tensor:
    return torch.tensor(numbers, dtype=like.dtype, device=like.device)


def _summed(vectors: Float[Tensor, "T D"]) -> Weights:
    told: Weights = vectors.detach().double().sum(-1).cpu().numpy()
    return told


GRADIENT_X_INPUT = Method("gradient-x-input", "Shrikumar et al. 2016", gradient_x_input)
INTEGRATED_GRADIENTS = Method(
    "integrated-gradients",
    "Sundararajan et al. 2017",
    integrated_gradients,
    partial(integrated_gradients, most=16),
)
