"""What is explained: a text as a network reads it, and one number of its outputs."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mason.explanation.numbers import Number
from mason.explanation.words import Word, words_of
from mason.models.packed import Packed
from mason.models.transformer import Transformer, device_of
from mason.tasks.classification import reading_passes
from mason.text import Encoding, Tokenizer

Weights = NDArray[np.float64]
"""One number for each word, [words]."""
Kept = NDArray[np.bool_]
"""Which words stay, [variants, words]."""


@dataclass(frozen=True)
class Subject:
    """A text as a network reads it, and the number of its outputs that is to be explained.

    Attributes:
        network: What is asked.
        number: Which number of its outputs.
        texts: The user's own: one, or the two of a pair.
        tokens: Ids, unpadded.
        words: Of the texts, in order.
        word_of: The word of each token, ``OUTSIDE`` for marks of the template.
        blank: The token that stands where a word's was taken away.
        answer: What the number is about, as a user knows it: a label, a word.
        token_types: BERT's segments; None: all zero.
        asked: Positions whose outputs the number is read from; none where a head pools.
    """

    network: Transformer
    number: Number
    texts: tuple[str, ...]
    tokens: tuple[int, ...]
    words: tuple[Word, ...]
    word_of: tuple[int, ...]
    blank: int
    answer: str
    token_types: tuple[int, ...] | None = None
    asked: tuple[int, ...] = ()

    @classmethod
    def of(
        cls,
        network: Transformer,
        tokenizer: Tokenizer,
        texts: Sequence[str],
        encoding: Encoding,
        **told: Any,
    ) -> Self:
        """A subject from the tokens of the user's texts.

        Args:
            network: What is asked.
            tokenizer: Whose token for what is hidden, or else for what is unknown, is the blank.
            texts: One, or a pair.
            encoding: Their tokens as the network reads them.
            told: The other fields; ``token_types`` is whether the network tells segments apart.
        """
        words, word_of = words_of(texts, encoding)
        typed = told.pop("token_types", False)
        special = tokenizer.special
        known = (special.mask, special.unk, special.pad, special.eos, special.bos)
        return cls(
            network=network,
            texts=tuple(texts),
            tokens=tuple(encoding.ids),
            words=words,
            word_of=word_of,
            blank=next((token for token in known if token is not None), 0),
            token_types=tuple(encoding.type_ids) if typed else None,
            **told,
        )

    def spoken(self, word: Word) -> str:
        """A word as it stands in its text."""
        return self.texts[word.part][word.start : word.end]

    def of_words(self, tokens: Weights) -> Weights:
        """Numbers of the tokens, summed over each word's."""
        numbers = np.asarray(self.word_of)
        inside = numbers >= 0
        summed = np.bincount(numbers[inside], tokens[inside], minlength=len(self.words))
        return summed.astype(np.float64)

    def blanked(self, kept: Kept) -> list["Subject"]:
        """Variants of the same length: a blank stands for each token of a word that goes."""
        rows = np.where(self._stays(kept), np.asarray(self.tokens), self.blank)
        return [replace(self, tokens=tuple(row)) for row in rows.tolist()]

    def cut(self, kept: Kept) -> list["Subject"]:
        """Shorter variants: words that go leave nothing behind.

        A token that the number is read from cannot go, so it turns blank instead.
        """
        return [self._cut(row) for row in self._stays(kept)]

    def _stays(self, kept: Kept) -> Kept:
        """Which tokens stay, [variants, tokens]: marks of the template always do."""
        marks = np.ones((len(kept), 1), dtype=bool)
        tokens: Kept = np.append(kept, marks, axis=1)[:, np.asarray(self.word_of)]
        return tokens

    def _cut(self, stays: NDArray[np.bool_]) -> "Subject":
        held = stays.copy()
        held[list(self.asked)] = True
        places = np.flatnonzero(held)
        if not len(places):
            return replace(self, tokens=(self.blank,), token_types=None)
        tokens = np.where(stays, self.tokens, self.blank)[places].tolist()
        types = self.token_types
        if types is not None:
            types = tuple(types[place] for place in places.tolist())
        asked = tuple(np.searchsorted(places, self.asked).tolist())
        return replace(self, tokens=tuple(tokens), token_types=types, asked=asked)


def pack(subjects: Sequence[Subject]) -> tuple[Packed, Tensor]:
    """Variants of a subject as one flat batch, and the rows [N, K] they ask for."""
    first = subjects[0]
    typed = first.token_types is not None
    types = [s.token_types or (0,) * len(s.tokens) for s in subjects] if typed else None
    packed = Packed.of([s.tokens for s in subjects], types, device=device_of(first.network))
    asked = torch.tensor([s.asked for s in subjects], dtype=torch.long, device=packed.tokens.device)
    return packed, asked + packed.layout.first[:, None]


@torch.no_grad()
def read(subjects: Sequence[Subject]) -> Weights:
    """The number of each variant of a subject, in passes that bound memory."""
    found = np.zeros(len(subjects))
    for run in reading_passes([len(s.tokens) for s in subjects]):
        packed, rows = pack([subjects[i] for i in run])
        told = subjects[0].number(subjects[0].network, packed, rows)
        found[run] = told.double().cpu().numpy()
    return found


class Removals:
    """A subject's number with words taken away; what was asked once is remembered.

    Args:
        subject: What is asked.
        cut: Whether words leave nothing behind, or a blank.
    """

    def __init__(self, subject: Subject, *, cut: bool = False) -> None:
        self.subject = subject
        self._make = subject.cut if cut else subject.blanked
        self._known: dict[bytes, float] = {}

    def __call__(self, kept: Kept) -> Weights:
        """The number of each variant, [variants]; ``kept`` says which words stay."""
        keys = [row.tobytes() for row in kept]
        fresh = {key: i for i, key in enumerate(keys) if key not in self._known}
        if fresh:
            told = read(self._make(kept[list(fresh.values())]))
            self._known |= dict(zip(fresh, told.tolist(), strict=True))
        return np.array([self._known[key] for key in keys])
