"""Attention rollout: attention of all layers multiplied, as paths from the answer to the words."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from mason.explanation.attention import Looks, look
from mason.explanation.methods.method import Method, Weighed
from mason.explanation.subjects import Subject, read

Matrix = NDArray[np.float64]


def rollout(subject: Subject) -> Weighed:
    """How much of each word flows to where the answer is read (Abnar & Zuidema 2020).

    Each layer passes on half of what a token had and half of what the mean of its heads brings,
    which stands for the residual sum. Nothing in it knows the answer: two answers to one text
    have the same picture, and no word speaks against one.
    """
    found: dict[str, Looks] = {
        one.place: one for one in look(subject.network, lambda: read([subject]))
    }
    flow = flows(found)
    return Weighed(subject.of_words(flow[_asked(subject, len(flow))].mean(0)))


def flows(found: Mapping[str, Looks]) -> Matrix:
    """How much of each token that is read is in each row of the last stack [rows, tokens].

    Args:
        found: Where each kind of attention looks. A decoder behind an encoder begins with none of
            the encoder's tokens, so that its rows need not sum to 1.
    """
    encoder, decoder, cross = (found.get(name) for name in ("encoder", "decoder", "cross"))
    flow = _through(encoder.layers, np.eye(len(encoder.keys))) if encoder is not None else None
    if decoder is None:
        assert flow is not None, "a network has a stack"
        return flow
    if cross is None or flow is None:
        return _through(decoder.layers, np.eye(len(decoder.keys)))
    into = np.zeros((len(decoder.queries), len(flow)))
    for own, other in zip(decoder.layers, cross.layers, strict=True):
        into = _through([own], into)
        into = (into + _mean(other) @ flow) / 2
    return into


def _through(layers: Sequence[NDArray[np.float32]], flow: Matrix) -> Matrix:
    for weights in layers:
        flow = (flow + _mean(weights) @ flow) / 2
    return flow


def _mean(weights: NDArray[np.float32]) -> Matrix:
    told: Matrix = weights.astype(np.float64).mean(0)
    return told


def _asked(subject: Subject, rows: int) -> list[int]:
    """The rows that the number is read from."""
    if subject.asked:
        return list(subject.asked)
    pool = subject.network.spec.heads[subject.number.head].pool
    ends = {"first": [0], "last": [rows - 1]}
    # What a decoder writes behind an encoder is read from its last row.
    behind = subject.network.spec.topology == "encoder-decoder"
    return ends.get(pool or "", [rows - 1] if behind else list(range(rows)))


ROLLOUT = Method("rollout", "Abnar & Zuidema 2020", rollout)
