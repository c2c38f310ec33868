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


_CHUNK = 256
"""Hidden tokens whose logits are held at once."""


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
        self._drawn: dict[int, tuple[Passage, Hidden]] = {}
        self._seed: int | None = None

    def count(self, batch: Sequence[int]) -> int:
        """Hidden tokens of the batch; begins the batch."""
        self._seed = None
        count = sum(len(self._draw(int(i))[1].at) for i in batch)
        self._ratio = count / len(batch)
        return count

    def loss(self, model: Any, run: Sequence[int]) -> Tensor:
        """The summed loss of the hidden tokens; questions count as their share of them."""
        rows, wanted, answers, labels = self._answers(model, run, asked=bool(self.question))
        loss: Tensor = model.heads["language"].cross_entropy(rows, wanted)
        return loss if labels is None else loss + self._asked_loss(answers, labels)

    def scores(self, model: Any, run: Sequence[int]) -> dict[str, tuple[float, int]]:
        """The loss, and how many hidden tokens and pairs are answered right, of how many."""
        rows, wanted, answers, labels = self._answers(model, run, asked=True)
        loss, right = 0.0, 0
        for some, ids in zip(rows.split(_CHUNK), wanted.split(_CHUNK), strict=True):
            logits = model.heads["language"](some).float()
            loss += float(F.cross_entropy(logits, ids, reduction="sum"))
            right += int((logits.argmax(1) == ids).sum())
        told: dict[str, tuple[float, int]] = {"token_accuracy": (right, len(wanted))}
        if labels is not None:
            loss += float(self._asked_loss(answers, labels))
            told["question_accuracy"] = int((answers.argmax(1) == labels).sum()), len(labels)
        return told | {"valid_loss": (loss, len(wanted))}

    def _answers(
        self, model: Any, run: Sequence[int], *, asked: bool
    ) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        """Hidden states of the holes, what was there, answers to the question, the right ones."""
        packed, at, wanted, labels = self.read(run, device_of(model))
        if labels is None or not asked:
            return model(packed, at=at), wanted, at[:0], None
        head = model.heads[self.asked]
        hidden = model(packed, at=torch.cat([at, head.rows(packed.layout)]))
        return hidden[: len(at)], wanted, head(hidden[len(at) :]).float(), labels

    def _asked_loss(self, answers: Tensor, labels: Tensor) -> Tensor:
        return self.question * self._ratio * F.cross_entropy(answers, labels, reduction="sum")

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
        """What the step draws for a passage: once, though it is counted and read."""
        seed = torch.initial_seed()
        if seed != self._seed:
            self._drawn, self._seed = {}, seed
        if index not in self._drawn:
            chance = chance_of(index)
            passage = self.passages.draw(index, chance)
            self._drawn[index] = passage, self.hide(passage, chance)
        return self._drawn[index]

    def hide(self, passage: Passage, chance: np.random.Generator) -> Hidden:
        """Make the holes of one passage."""
        assert self.marks.mask is not None, "hiding needs a mask"
        places = np.flatnonzero(passage.is_text)
        budget = max(1, round(self.rate * len(places)))
        chosen = _choose(_bounds(passage, places, self.starts), budget, self.longest, chance)
        at = places[np.sort(chosen)]
        tokens, wanted = passage.tokens.copy(), passage.tokens[at]
        fate = chance.random(len(at))
        tokens[at[fate < self.masked]] = self.marks.mask
        changed = at[(fate >= self.masked) & (fate < self.masked + self.random)]
        tokens[changed] = chance.integers(0, self.marks.size, len(changed))
        return Hidden(tokens, at, wanted)


def _bounds(passage: Passage, places: Ids, starts: Starts | None) -> Ids:
    """Where in ``places`` each word begins, and the end; without ``starts`` each token is one."""
    if starts is None or not len(places):
        return np.arange(len(places) + 1)
    begins = starts(passage.tokens)[places]
    # A mark between two tokens parts words too.
    begins |= np.diff(places, prepend=places[0] - 2) > 1
    return np.append(np.flatnonzero(begins), len(places))


def _choose(bounds: Ids, budget: int, longest: int, chance: np.random.Generator) -> Ids:
    """Random words or runs of words, at most ``budget`` tokens but at least one word's.

    A run of n words is as likely as 1/n (Lan et al. 2020).
    """
    num_words = len(bounds) - 1
    order = chance.permutation(num_words)
    if num_words == bounds[-1] and longest == 1:  # each word is a token
        return order[:budget]
    sizes = [1] * num_words
    if longest > 1:
        weights = 1.0 / np.arange(1, longest + 1)
        sizes = (1 + chance.choice(longest, num_words, p=weights / weights.sum())).tolist()
    ends, chosen, left = bounds.tolist(), np.zeros(bounds[-1], dtype=np.bool_), budget
    for start, size in zip(order.tolist(), sizes, strict=True):
        if left <= 0:
            break
        first, last = ends[start], ends[min(start + size, num_words)]
        fits = last - first <= left or left == budget
        if fits and not chosen[first:last].any():
            chosen[first:last] = True
            left -= last - first
    return np.flatnonzero(chosen)
