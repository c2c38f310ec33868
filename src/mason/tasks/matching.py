"""Matching: which part of a text the question speaks of, learned beside where its answer is.

Whether a word of the text stands in the question is what tells one sentence from its like
(Weissenborn et al. 2017, "Making neural QA as simple as possible but not simpler"). A network
that has not learned to compare the two does not find it out from a begin and an end a text. So
it is asked for it at every token, of which a text has hundreds. Nothing is added to the network:
the question is put to one fixed direction of its hidden states.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_SCALE = 3.0
"""Size of the logits of hidden states of unit variance: large enough to point, to begin flat."""


class Matching:
    """Points to the run of tokens that a question and its text share, the rarest one.

    How rare a token is, is counted over the texts: its weight is log(texts / texts with it), and
    a run's is the sum of its tokens'.

    Args:
        tokens: Of each window: its question, part of its text, and a template about both.
        firsts: The row at which that part begins.
        sizes: Tokens of it.
    """

    def __init__(
        self, tokens: Sequence[Sequence[int]], firsts: Sequence[int], sizes: Sequence[int]
    ) -> None:
        self.tokens, self.firsts, self.sizes = tokens, firsts, sizes
        texts = (np.unique(self._text(number)) for number in range(len(tokens)))
        known, held = np.unique(np.concatenate(list(texts)), return_counts=True)
        self.rarity = np.zeros(int(known.max(initial=0)) + 1)
        self.rarity[known] = np.log(len(tokens) / held)

    def rows(self, number: int) -> list[int]:
        """Rows of a window's shared run: none where question and text share nothing rare."""
        first = self.firsts[number]
        question = self.tokens[number][:first]
        return [first + place for place in shared_run(question, self._text(number), self.rarity)]

    def loss(self, hidden: Tensor, run: Sequence[int], lengths: Sequence[int]) -> Tensor:
        """The summed cross-entropy of pointing there from all rows of the text, in fp32.

        Args:
            hidden: Hidden states of a batch [rows, width].
            run: Numbers of its windows.
            lengths: Tokens of each.
        """
        direction = _direction(hidden.shape[1]).to(hidden.device)
        told = (hidden.float() @ direction).split(list(lengths))
        total = hidden.new_zeros((), dtype=torch.float32)
        for number, logits in zip(run, told, strict=True):
            if rows := self.rows(number):
                first = self.firsts[number]
                part = logits[first : first + self.sizes[number]].log_softmax(0)
                total = total - part[torch.tensor(rows, device=part.device) - first].mean()
        return total

    def _text(self, number: int) -> NDArray[np.int64]:
        first = self.firsts[number]
        part = self.tokens[number][first : first + self.sizes[number]]
        return np.asarray(part, dtype=np.int64)


def shared_run(
    question: Sequence[int], text: NDArray[np.int64], rarity: NDArray[np.float64]
) -> list[int]:
    """Places in ``text`` of the tokens that follow each other in ``question`` too.

    Of all such runs those whose summed ``rarity`` is the greatest; none where that is 0.
    """
    if not len(text):
        return []
    weights, order = rarity[text], np.arange(len(text))
    best, found = 0.0, np.zeros(len(text), bool)
    summed, count = np.zeros(len(text)), np.zeros(len(text), np.int64)
    for token in question:
        same = text == token
        # A run that goes on came from the place before, at the question's token before.
        summed = np.where(same, np.roll(summed, 1) + weights, 0.0)
        count = np.where(same, np.roll(count, 1) + 1, 0)
        summed[0], count[0] = (weights[0], 1) if same[0] else (0.0, 0)
        top = summed.max()
        if top > best + 1e-9:
            best, found = float(top), np.zeros(len(text), bool)
        if top > 0 and top >= best - 1e-9:
            for end in np.flatnonzero(summed >= best - 1e-9):
                found[end - count[end] + 1 : end + 1] = True
    places: list[int] = order[found].tolist()
    return places


def _direction(width: int) -> Tensor:
    """The direction of hidden states that is asked, the same in every run."""
    drawn = torch.randn(width, generator=torch.Generator().manual_seed(0))
    return drawn.mul_(_SCALE / width**0.5)
