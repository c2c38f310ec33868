"""Ids of very many texts: a word that comes again is looked up, not cut again.

In text most words are repeated (Zipf 1935). The ids are those of ``Tokenizer.encode_ids``,
exactly: ``word_cuts`` says where a text may be cut.
"""

from collections.abc import Sequence
from itertools import chain

import numpy as np

from mason.text.byte_joins import ByteJoins
from mason.text.runs import Runs, Spans
from mason.text.tokenizers import Tokenizer
from mason.text.word_cuts import WordCuts, spelled

_MOST_WORDS, _MOST_CHARACTERS = 1 << 18, 1 << 23


class WordMemory:
    """Encodes texts, and remembers the ids of their words: up to about 60 MB, then anew.

    For one thread.

    Args:
        tokenizer: Whose ids.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer, self.cut = tokenizer, WordCuts(tokenizer)
        self._join = ByteJoins(tokenizer) if self.cut.by_bytes else None
        self._known = Spans.of(Runs.of([]))
        self._numbers, self._size = _Numbers(), 0

    def __call__(self, texts: Sequence[str]) -> Runs:
        """The ids of ``texts``, without marks.

        Raises:
            TokenizerError: A text holds half a surrogate pair.
        """
        full = len(self._numbers) > _MOST_WORDS or self._size > _MOST_CHARACTERS
        if full or self._numbers.fresh:  # left over where encoding failed
            self._forget()
        cut = list(map(self.cut, texts))
        num_words = np.fromiter(map(len, cut), np.int64, len(cut))
        words = map(self._numbers.__getitem__, chain.from_iterable(cut))
        rows = np.fromiter(words, np.int64, int(num_words.sum()))
        self._learn()
        found = self._known.taken(rows)
        ends = np.append(0, np.cumsum(found.lengths))[np.append(0, np.cumsum(num_words))]
        return Runs(found.ids, np.diff(ends))

    def _learn(self) -> None:
        """The ids of words that were met for the first time."""
        fresh = self._numbers.fresh
        if not fresh:
            return
        texts = [spelled(part) for part in fresh]
        if self._join:
            found = self._join(texts)
        else:
            found = Spans.of(Runs.of(self.tokenizer.encode_ids(texts, special=False)))
        self._known = self._known.plus(found)
        self._size += sum(map(len, fresh))
        fresh.clear()

    def _forget(self) -> None:
        self._numbers, self._size = _Numbers(), 0
        self._known = Spans.of(Runs.of([]))


class _Numbers(dict[str, int]):
    """A number for every word, in the order in which they are asked for.

    Attributes:
        fresh: Words whose ids are not known yet.
    """

    def __init__(self) -> None:
        super().__init__()
        self.fresh: list[str] = []

    def __missing__(self, word: str) -> int:
        number = self[word] = len(self)
        self.fresh.append(word)
        return number
