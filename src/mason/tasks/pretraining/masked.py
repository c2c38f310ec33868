"""Masked language modelling: hide some tokens, guess them (Devlin et al. 2019).

Masks are drawn anew each time (Liu et al. 2019, RoBERTa); whole words (Cui et al. 2021, for
Chinese) or runs of words (Joshi et al. 2020; Lan et al. 2020) can be hidden together. Read
from pairs, the next-sentence or sentence-order question is learned in the same pass: BERT's
and ALBERT's own objectives.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from mason.models.packed import Packed
from mason.models.transformer import device_of
from mason.tasks.pretraining.passages import Ids, Marks, Passage, Passages, chance_of

Starts = Callable[[Ids], npt.NDArray[np.bool_]]
"""True at tokens that begin a word."""


class Hidden(NamedTuple):
    """A passage with holes: what is read, where the holes are, what was there."""

    tokens: Ids
    at: Ids
    wanted: Ids


class MaskedLanguage:
    """Cross-entropy of the hidden tokens, and of the pair's question where there is one.

    Args:
        passages: What is read.
        marks: ``mask`` is needed.
        rate: Share of the text's tokens that is hidden.
        masked: Share of the hidden tokens that is replaced by the mask.
        random: Share that is replaced by any token; the rest stays as it is.
        starts: Tells where words begin, to hide whole words; None: single tokens.
        longest: Most words in a row that are hidden together.
        question: Weight of the pair's question.
        asked: The head that answers it.
    """

    def __init__(
        self,
        passages: Passages,
        marks: Marks,
        *,
        rate: float = 0.15,
        masked: float = 0.8,
        random: float = 0.1,
        starts: Starts | None = None,
        longest: int = 1,
        question: float = 1.0,
        asked: str = "next_sentence",
    ) -> None:
        self.passages, self.marks, self.lengths = passages, marks, passages.lengths
        self.rate, self.masked, self.random = rate, masked, random
        self.starts, self.longest = starts, longest
        self.question, self.asked = question, asked
        self._ratio = 1.0

    def count(self, batch: Sequence[int]) -> int:
        """Hidden tokens of the batch; begins the batch."""
        count = sum(len(self._draw(int(i))[1].at) for i in batch)
        self._ratio = count / len(batch)
        return count

    def loss(self, model: Any, run: Sequence[int]) -> Tensor:
        """The summed loss of the hidden tokens; questions count as their share of them."""
        packed, at, wanted, labels = self.read(run, device_of(model))
        head = model.heads["language"]
        loss: Tensor
        if labels is None or not self.question:
            loss = head.cross_entropy(model(packed, at=at), wanted)
            return loss
        asked = model.heads[self.asked]
        hidden = model(packed, at=torch.cat([at, asked.rows(packed.layout)]))
        loss = head.cross_entropy(hidden[: len(at)], wanted)
        answers = asked(hidden[len(at) :]).float()
        asked_loss = F.cross_entropy(answers, labels, reduction="sum")
        return loss + self.question * self._ratio * asked_loss

    def right(self, model: Any, run: Sequence[int]) -> int:
        """How many of the pairs' questions the model answers right."""
        packed, _, _, labels = self.read(run, device_of(model))
        assert labels is not None, "only pairs have a question"
        return int((model.logits(self.asked, packed).argmax(1) == labels).sum())

    def read(
        self, run: Sequence[int], device: torch.device | str = "cpu"
    ) -> tuple[Packed, Tensor, Tensor, Tensor | None]:
        """The packed input, rows of the holes, what was there, the pairs' labels."""
        drawn = [self._draw(int(i)) for i in run]
        types = [p.token_types for p, _ in drawn]
        packed = Packed.of(
            [h.tokens.tolist() for _, h in drawn],
            None if types[0] is None else [t.tolist() for t in types if t is not None],
            device=device,
        )
        starts = np.cumsum([0, *packed.lengths[:-1]])
        at = np.concatenate([h.at + s for (_, h), s in zip(drawn, starts, strict=True)])
        wanted = np.concatenate([h.wanted for _, h in drawn])
        labels = [p.label for p, _ in drawn]
        known = None if labels[0] is None else torch.tensor(labels, device=device)
        return (
            packed,
            torch.from_numpy(at).to(device),
            torch.from_numpy(wanted).to(device),
            known,
        )

    def _draw(self, index: int) -> tuple[Passage, Hidden]:
        chance = chance_of(index)
        passage = self.passages.draw(index, chance)
        return passage, self.hide(passage, chance)

    def hide(self, passage: Passage, chance: np.random.Generator) -> Hidden:
        """Make the holes of one passage."""
        assert self.marks.mask is not None, "hiding needs a mask"
        groups = _words(passage, self.starts)
        budget = max(1, round(self.rate * int(passage.is_text.sum())))
        at = np.sort(_choose(groups, budget, self.longest, chance))
        tokens, wanted = passage.tokens.copy(), passage.tokens[at]
        fate = chance.random(len(at))
        tokens[at[fate < self.masked]] = self.marks.mask
        changed = at[(fate >= self.masked) & (fate < self.masked + self.random)]
        tokens[changed] = chance.integers(0, self.marks.size, len(changed))
        return Hidden(tokens, at, wanted)


def _words(passage: Passage, starts: Starts | None) -> list[Ids]:
    """The places of each word of the text, in order; without ``starts`` each token is one."""
    places = np.flatnonzero(passage.is_text)
    if starts is None or not len(places):
        return [places[i : i + 1] for i in range(len(places))]
    begins = starts(passage.tokens)[places]
    # A mark between two tokens parts words too.
    begins |= np.diff(places, prepend=places[0] - 2) > 1
    return np.split(places, np.flatnonzero(begins)[1:] if begins[0] else np.flatnonzero(begins))


def _choose(words: list[Ids], budget: int, longest: int, chance: np.random.Generator) -> Ids:
    """Places of random words or runs of words, at most ``budget`` but at least one word's.

    A run of n words is as likely as 1/n (Lan et al. 2020).
    """
    chosen: list[Ids] = []
    taken = np.zeros(len(words), dtype=np.bool_)
    left = budget
    weights = 1.0 / np.arange(1, longest + 1)
    for start in chance.permutation(len(words)):
        if left <= 0:
            break
        size = 1 if longest == 1 else 1 + int(chance.choice(longest, p=weights / weights.sum()))
        run = range(int(start), min(int(start) + size, len(words)))
        fits = sum(len(words[i]) for i in run) <= left or not chosen
        if fits and not taken[list(run)].any():
            chosen += [words[i] for i in run]
            taken[list(run)] = True
            left = budget - sum(map(len, chosen))
    return np.concatenate(chosen) if chosen else np.empty(0, np.int64)
