"""Span corruption: read a text with holes, write what was in them (Raffel et al. 2020, T5)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from mason.models.packed import Packed
from mason.models.transformer import device_of
from mason.tasks.pretraining.passages import Ids, Marks, Passages, chance_of

Inside = npt.NDArray[np.bool_]


class SequenceToSequence:
    """Cross-entropy of a target text given a source text; what they are, a subclass says."""

    def __init__(self, passages: Passages, marks: Marks) -> None:
        self.passages, self.marks, self.lengths = passages, marks, passages.lengths

    def pair(self, index: int) -> tuple[Ids, Ids]:
        """What is read and what is written."""
        raise NotImplementedError

    def count(self, batch: Sequence[int]) -> int:
        """Written tokens of the batch."""
        return sum(len(self.pair(int(i))[1]) for i in batch)

    def loss(self, model: Any, run: Sequence[int]) -> Tensor:
        """The summed cross-entropy, in fp32; the decoder reads the target one place late."""
        device = device_of(model)
        pairs = [self.pair(int(i)) for i in run]
        source = Packed.of([s.tolist() for s, _ in pairs], device=device)
        target = Packed.of([t.tolist() for _, t in pairs], device=device)
        start = model.spec.special.decoder_start
        hidden = model(source, target.shifted(start if start is not None else 0))
        loss: Tensor = model.heads["language"].cross_entropy(hidden, target.tokens)
        return loss


class SpanCorruption(SequenceToSequence):
    """Each hole is one sentinel; the target names the sentinels, each with what it stands for.

    Args:
        passages: What is read.
        marks: ``sentinels`` and ``last`` are needed.
        rate: Share of the tokens in holes.
        mean: Mean length of a hole.
    """

    def __init__(
        self, passages: Passages, marks: Marks, *, rate: float = 0.15, mean: float = 3.0
    ) -> None:
        super().__init__(passages, marks)
        self.rate, self.mean = rate, mean

    def pair(self, index: int) -> tuple[Ids, Ids]:
        """The text with sentinels, and the sentinels with the text."""
        chance = chance_of(index)
        passage = self.passages.draw(index, chance)
        text = passage.tokens[passage.is_text]
        most = len(self.marks.sentinels)
        return self.corrupt(text, holes(len(text), self.rate, self.mean, chance, most=most))

    def corrupt(self, text: Ids, inside: Inside) -> tuple[Ids, Ids]:
        """Take out what is ``inside`` holes.

        Args:
            text: Ids without marks, shape (n,).
            inside: True in holes, shape (n,).
        """
        begins = inside & ~np.concatenate([[False], inside[:-1]])
        number = np.cumsum(begins) - 1
        sentinels = np.asarray(self.marks.sentinels)
        end = [] if self.marks.last is None else [self.marks.last]
        source, target = [], []
        for i, token in enumerate(text):
            if begins[i]:
                source.append(sentinels[number[i]])
                target.append(sentinels[number[i]])
            (target if inside[i] else source).append(token)
        return np.array([*source, *end], np.int64), np.array([*target, *end], np.int64)


def holes(
    length: int, rate: float, mean: float, chance: np.random.Generator, *, most: int
) -> Inside:
    """True in at most ``most`` holes, shape (length,): T5's random partition of a text.

    Hidden and kept tokens are each cut into as many parts at random, and the parts
    alternate, text first; so holes never touch.
    """
    num_hidden = min(max(1, round(length * rate)), max(1, length - 1))
    num_holes = min(max(1, round(num_hidden / mean)), max(1, length - num_hidden), most)
    inside = np.zeros(length, dtype=np.bool_)
    if length < 2:
        return inside
    hidden = _parts(num_hidden, num_holes, chance)
    kept = _parts(length - num_hidden, num_holes, chance)
    at = 0
    for text, hole in zip(kept, hidden, strict=True):
        at += int(text)
        inside[at : at + int(hole)] = True
        at += int(hole)
    return inside


def _parts(total: int, num: int, chance: np.random.Generator) -> Ids:
    """``total`` as ``num`` parts of at least one, every partition as likely."""
    cuts = np.sort(chance.choice(total - 1, num - 1, replace=False)) + 1
    ends = np.concatenate([[0], cuts, [total]]).astype(np.int64)
    return ends[1:] - ends[:-1]
