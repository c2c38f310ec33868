"""Attacks that look inside: which word to put in is told by the loss's gradient."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from mason.errors import SettingsError
from mason.security.moves import Move
from mason.security.neighbours import WordVectors, like
from mason.security.victims import Inside
from mason.security.words import Words
from mason.tasks.classification import Examples, predict_logits


def hotflip(inside: Inside, vectors: WordVectors, *, most: int = 20) -> Move:
    """The words whose vector the loss grows most towards (Ebrahimi et al. 2018).

    Args:
        inside: The classifier.
        vectors: The words that may be put in.
        most: Words to try at a place.
    """
    rows = vectors.rows

    def move(text: Words, place: int) -> list[str]:
        whole = str(text)
        examples = inside.encode([whole])
        label = int(predict_logits(inside.network, examples)[0].argmax())
        _, (gradient,) = inside.gradients(examples, [label])
        start = len(str(Words(text.words[:place], text.gaps[: place + 1])))
        at = _tokens_at(inside, whole, start, start + len(text.words[place]))
        if at is None:
            return []
        # To first order the loss grows by the change of the vector times the gradient.
        growth = rows @ gradient[at].float().to(rows.device)
        best = torch.topk(growth, min(most, len(growth))).indices.tolist()
        return [like(text.words[place], vectors.words[i]) for i in best]

    return move


def _tokens_at(inside: Inside, text: str, start: int, end: int) -> int | None:
    """The first token of the characters from ``start`` to ``end``; None: it is cut off."""
    (encoding,) = inside.tokenizer.encode([text])
    length = inside.encode([text]).lengths[0]
    for number, (a, b) in enumerate(encoding.spans[:length]):
        if encoding.parts[number] == 0 and a < end and b > start:
            return number
    return None


@dataclass(frozen=True)
class Trigger:
    """Words that turn answers wherever they stand first.

    Attributes:
        words: The words, to be put before a text.
        losses: Mean loss of the right answers on the texts it was made from, step by step.
    """

    words: str
    losses: list[float]


def universal_trigger(
    inside: Inside,
    vectors: WordVectors,
    texts: Sequence[str],
    targets: Sequence[int],
    *,
    length: int = 3,
    rounds: int = 5,
    most: int = 20,
    seed: int = 0,
) -> Trigger:
    """Words that, put before any text of some class, make the model err (Wallace et al. 2019).

    Args:
        inside: The classifier.
        vectors: The words it may be made of.
        texts: To make it from; measure it on others.
        targets: Their right classes.
        length: Words.
        rounds: Times that each of its words is looked at, at most.
        most: Words that are tried, of those the gradient names.
        seed: Of the words it starts from.
    """
    rows, draw = vectors.rows, random.Random(seed)
    if not len(rows):
        raise SettingsError("The model's tokenizer has no whole words to make a phrase of.")
    chosen = [draw.randrange(len(rows)) for _ in range(length)]

    def read(places: Sequence[int]) -> Examples:
        before = " ".join(vectors.words[i] for i in places)
        return inside.encode([f"{before} {text}" for text in texts])

    def loss_of(places: Sequence[int]) -> float:
        logits = predict_logits(inside.network, read(places)).astype(np.float64)
        logits -= logits.max(1, keepdims=True)
        each = np.log(np.exp(logits).sum(1)) - logits[np.arange(len(texts)), list(targets)]
        return float(each.mean())

    losses = [loss_of(chosen)]
    first = _tokens_at(inside, "a b", 0, 1) or 0
    for _ in range(rounds):
        before = losses[-1]
        for place in range(length):
            _, gradients = inside.gradients(read(chosen), targets)
            mean = torch.stack([g[first + place].float() for g in gradients]).mean(0)
            growth = rows @ mean.to(rows.device)
            best = torch.topk(growth, min(most, len(growth))).indices.tolist()
            tried = [[*chosen[:place], i, *chosen[place + 1 :]] for i in best]
            told = [loss_of(one) for one in tried]
            if max(told) > losses[-1]:
                chosen = tried[int(np.argmax(told))]
                losses.append(max(told))
        if losses[-1] == before:
            break
    return Trigger(" ".join(vectors.words[i] for i in chosen), losses)
