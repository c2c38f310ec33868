"""What an objective reads: passages of real text, some of them pairs with a question."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt
import torch

from mason.errors import DataError

Ids = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Marks:
    """The tokens that are not text.

    Attributes:
        size: Rows of the vocabulary.
        first: Opens a text ([CLS], <s>); None: nothing does.
        last: Closes a text ([SEP], </s>).
        mask: Stands for what is hidden.
        sentinels: Stand for one hidden span each (T5's <extra_id_0>, …).
        infill: Fill-in-the-middle's prefix, suffix and middle.
    """

    size: int
    first: int | None = None
    last: int | None = None
    mask: int | None = None
    sentinels: tuple[int, ...] = ()
    infill: tuple[int, int, int] | None = None

    def around(self, ids: Sequence[int] | Ids) -> Ids:
        """The ids between the opening and the closing token."""
        first = [] if self.first is None else [self.first]
        last = [] if self.last is None else [self.last]
        return np.concatenate([np.asarray(part, np.int64) for part in (first, ids, last)])

    @property
    def num_around(self) -> int:
        """How many tokens ``around`` adds."""
        return (self.first is not None) + (self.last is not None)


@dataclass(frozen=True)
class Passage:
    """One input.

    Attributes:
        tokens: Ids, the marks among them.
        is_text: False at marks, which are never hidden.
        token_types: BERT's segments; None: one segment.
        label: What the pair is asked for: 0: B follows A, 1: it does not.
    """

    tokens: Ids
    is_text: npt.NDArray[np.bool_]
    token_types: Ids | None = None
    label: int | None = None


class Passages(Protocol):
    """A store of inputs by number."""

    @property
    def lengths(self) -> Sequence[int]:
        """Tokens of each passage; an upper bound where they are drawn."""

    def draw(self, index: int, chance: np.random.Generator) -> Passage:
        """The passage of this number."""


def _lengths(texts: Any) -> list[int]:
    """Tokens of each text, or text of sentences; a store on disk knows them without reading."""
    known = getattr(texts, "lengths", None)
    if known is not None:
        return [int(n) for n in known]
    return [sum(np.size(part) for part in text) for text in texts]


def chance_of(index: int) -> np.random.Generator:
    """The random numbers of one passage in the current step.

    The loop seeds torch anew for every step, and Philox is counter-based (Salmon et al.
    2011), so what is drawn depends on the seed, the step and the passage alone: not on the
    other passages, the number of passes, or how often it is asked.
    """
    key = np.array([torch.initial_seed() % 2**64, index], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key))


class Texts:
    """Texts as they are, each between its marks.

    Args:
        texts: Ids of each text, without marks.
        marks: Which marks.
    """

    def __init__(self, texts: Sequence[Sequence[int]] | Sequence[Ids], marks: Marks) -> None:
        self.texts, self.marks = texts, marks
        self.lengths = [n + marks.num_around for n in _lengths(texts)]

    def draw(self, index: int, chance: np.random.Generator) -> Passage:
        """The text of this number; nothing is random."""
        tokens = self.marks.around(self.texts[index])
        is_text = np.ones(len(tokens), dtype=np.bool_)
        if self.marks.first is not None:
            is_text[0] = False
        if self.marks.last is not None:
            is_text[-1] = False
        return Passage(tokens, is_text)


class Pairs:
    """Two stretches of sentences, A and B, and whether B is what follows A.

    Where the order is asked (``sentence-order``, Lan et al. 2020), half of the pairs are
    swapped. Where the neighbourhood is asked (``next-sentence``, Devlin et al. 2019), half of
    the B come from another document. A passage of one sentence is cut in its middle.

    Args:
        texts: Sentences of each passage, real neighbours in their document, as ids.
        documents: The document each passage is from.
        marks: ``first`` and ``last`` are needed: [CLS] A [SEP] B [SEP].
        question: What is asked.
        max_tokens: Longest pair, marks included.
    """

    def __init__(
        self,
        texts: Sequence[Sequence[Sequence[int]]] | Sequence[Sequence[Ids]],
        documents: Sequence[int],
        marks: Marks,
        *,
        question: Literal["next-sentence", "sentence-order"] = "next-sentence",
        max_tokens: int = 128,
    ) -> None:
        assert marks.first is not None and marks.last is not None, "pairs need marks"
        if question == "next-sentence" and len(set(documents)) < 2:
            raise DataError(
                "Next-sentence prediction needs texts of at least two documents, but the corpus "
                "has {num}; part it by empty lines or files, or choose another objective.",
                num=len(set(documents)),
            )
        self.texts, self.documents, self.marks = texts, np.asarray(documents), marks
        self.question, self.max_tokens = question, max_tokens
        room = max_tokens - 3
        self.lengths = [min(n, room) + 3 for n in _lengths(texts)]

    def draw(self, index: int, chance: np.random.Generator) -> Passage:
        """The pair of this number; where it is parted, and its B, are random."""
        first, second = self._parted(index, chance)
        label = int(chance.random() < 0.5)
        if label and self.question == "sentence-order":
            first, second = second, first
        elif label:
            second = self._elsewhere(index, len(second), chance)
        room = self.lengths[index] - 3
        first = first[: max(1, room - min(len(second), room // 2))]
        second = second[: max(1, room - len(first))]
        opening, closing = np.array([[self.marks.first], [self.marks.last]], dtype=np.int64)
        tokens = np.concatenate([opening, first, closing, second, closing])
        is_text = np.ones(len(tokens), dtype=np.bool_)
        is_text[[0, len(first) + 1, len(tokens) - 1]] = False
        types = np.zeros(len(tokens), dtype=np.int64)
        types[len(first) + 2 :] = 1
        return Passage(tokens, is_text, types, label)

    def _parted(self, index: int, chance: np.random.Generator) -> tuple[Ids, Ids]:
        sentences = [np.asarray(s, np.int64) for s in self.texts[index]]
        if len(sentences) == 1:
            middle = max(1, len(sentences[0]) // 2)
            return sentences[0][:middle], sentences[0][middle:]
        cut = int(chance.integers(1, len(sentences)))
        return np.concatenate(sentences[:cut]), np.concatenate(sentences[cut:])

    def _elsewhere(self, index: int, length: int, chance: np.random.Generator) -> Ids:
        """About as much text from another document, from a sentence's beginning."""
        while True:
            other = int(chance.integers(len(self.texts)))
            if self.documents[other] != self.documents[index]:
                break
        sentences = self.texts[other]
        start = int(chance.integers(len(sentences)))
        found = np.concatenate([np.asarray(s, np.int64) for s in sentences[start:]])
        return found[: max(length, 1)]
