"""Words of like use: near one another in a table of word vectors, as TextFooler takes them."""

from collections.abc import Collection
from functools import lru_cache

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from mason.security.moves import Move
from mason.security.words import Words
from mason.text import Tokenizer

_LETTERS = 2
"""Fewest letters of a word that is proposed."""


class WordVectors:
    """Words, each with its vector: those that a tokenizer has as one token, and others named.

    Args:
        tokenizer: Whose whole English words are proposed.
        table: A vector for each of its tokens [V, E].
        lexicon: More words, such as Chinese ones, which are several tokens: their vectors are
            the means of their tokens'. Those with a token that is unknown are left out.
    """

    def __init__(
        self, tokenizer: Tokenizer, table: Float[Tensor, "V E"], lexicon: Collection[str] = ()
    ) -> None:
        whole = tokenizer.whole_words.items()
        words = {word: [token] for word, token in whole if len(word) >= _LETTERS}
        named, unknown = sorted({*lexicon} - words.keys()), tokenizer.special.unk
        for word, ids in zip(named, tokenizer.encode_ids(named, special=False), strict=True):
            if ids and unknown not in ids:
                words[word] = ids
        self.words = list(words)
        self.places = {word: i for i, word in enumerate(self.words)}
        rows = [table[ids].float().mean(0) for ids in words.values()]
        self.rows = torch.stack(rows).cpu() if rows else table.new_empty(0, table.shape[1]).cpu()
        # All share one direction, which says nothing of meaning (Mu & Viswanath 2018).
        self.vectors = F.normalize(self.rows - self.rows.mean(0), dim=1)
        self.near = lru_cache(1 << 14)(self._near)

    def _near(self, word: str, most: int, least: float) -> tuple[str, ...]:
        place = self.places.get(word)
        if place is None:
            return ()
        cosines = self.vectors @ self.vectors[place]
        cosines[place] = -1.0
        best = torch.topk(cosines, min(most, len(self.words) - 1))
        found = zip(best.values.tolist(), best.indices.tolist(), strict=True)
        return tuple(self.words[i] for cosine, i in found if cosine >= least)


def neighbours(vectors: WordVectors, *, most: int = 50, least: float = 0.3) -> Move:
    """TextFooler's move (Jin et al. 2020): a word by one of its nearest in a table of vectors.

    Args:
        vectors: The table.
        most: Words to try at a place.
        least: Least cosine of the two words' vectors.
    """

    def move(text: Words, place: int) -> list[str]:
        word = text.words[place]
        return [like(word, other) for other in vectors.near(word.lower(), most, least)]

    return move


def like(word: str, other: str) -> str:
    """``other`` with the capitals of ``word``."""
    if word.isupper() and len(word) > 1:
        return other.upper()
    return other.capitalize() if word[:1].isupper() else other
