"""Words put right at the tokenizer's door: an edit of one letter, digits for letters, a space.

One wrong letter gives a word other tokens and turns most classifiers (Gao et al. 2018); a reader
does not notice. Putting words right before the model sees them undoes more of that than training
does (Pruthi et al. 2019). Which word was meant is asked of a noisy channel (Kernighan et al. 1990):
how likely a word is between its neighbours in the texts the model learned from, and how seldom
letters go wrong. So a word that exists may be a slip too (Mays et al. 1991): *what does it sand
for*. Known words are those the tokenizer has as one token, the more frequent ones first, as
vocabularies are sorted, and those the texts have; one that is near none of them stays as it is.
"""

import math
import re
import string
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from mason.text.cleaning import Cleaned, as_read
from mason.text.usage import EDGE, LONGEST, WORD, Usage

_LEET = [str.maketrans("430571", f"aeost{one}") for one in "il"]
_ENDINGS = "s es d ed r er ers ing ly ness less y".split()
_ORDINAL = re.compile(r"\d+(st|nd|rd|th|s)")
_CONTRACTED = re.compile("n['\u2019]t", re.IGNORECASE)
_SHORTEST, _SHORTEST_WHOLE = 2, 3
"""Letters of a word below which an edit makes most others; of one that a space cut in two, or with
digits."""
_STRANGE = "\0"
_SLIP = math.log(1e-4)
"""Of one wrong letter in a word that exists."""
_PRIOR = 2000.0
"""Weight of the vocabulary's order beside the texts, in words."""
_OFFSET, _ENDED, _UNKNOWN = 10, 0.1, 1e-7
"""Zipf's law with an offset (Mandelbrot 1953); a word with an ending beside its stem; others."""


class _Near(NamedTuple):
    """What may have been meant by a word, and whether the word itself may."""

    words: tuple[str, ...]
    itself: bool


class Speller:
    """Reads a text as ``as_read`` does, and then word by word.

    Args:
        usage: Which words there are, and how the texts use them that the model learned from.
    """

    def __init__(self, usage: Usage) -> None:
        told = (*usage.known, *usage.words)
        known = [word for word in told if word != EDGE and len(word) <= LONGEST]
        self.ranks = {word: i for i, word in reversed(list(enumerate(known)))}
        self.longest = max(map(len, self.ranks), default=0)
        self.usage, self.seen = usage, sum(n for word, n in usage.words.items() if word != EDGE)
        self.scale = sum(1 / (rank + _OFFSET) for rank in self.ranks.values())
        self.meant = lru_cache(1 << 16)(self._meant)
        self.near = lru_cache(1 << 14)(self._near)
        self.alone = lru_cache(1 << 14)(self._alone)

    def __call__(self, text: str) -> Cleaned:
        """The text with its words put right."""
        seen = as_read(text)
        pieces: list[str] = []
        origins: list[int] = []
        done = 0
        for start, end, word in self._found(seen.text):
            if word != seen.text[start:end]:
                pieces += [seen.text[done:start], word]
                origins += seen.origins[done:start]
                places = [min(start + i, end - 1) for i in range(len(word) - 1)]
                origins += [seen.origins[place] for place in (*places, end - 1)]
                done = end
        if not pieces:
            return seen
        return Cleaned("".join([*pieces, seen.text[done:]]), [*origins, *seen.origins[done:]])

    def _found(self, text: str) -> Iterator[tuple[int, int, str]]:
        """Where each word stands, and what it shall be; two that a space made of one are one."""
        places = [found.span() for found in WORD.finditer(text)]
        before, number = EDGE, 0
        while number < len(places):
            start, end = places[number]
            word, number = text[start:end], number + 1
            after = text[slice(*places[number])] if number < len(places) else EDGE
            if after and text[end : places[number][0]] == " " and self._parted(word, after):
                word, end, number = word + after, places[number][1], number + 1
            elif self._may_be_wrong(word) and not _CONTRACTED.match(text, end - 1):
                plain = word.lower()
                meant = self.meant(before, plain, self._heard(after))
                word = word if meant == plain else _like(word, meant)
            yield start, end, word
            before = self._heard(word)

    def _may_be_wrong(self, word: str) -> bool:
        """Whether one edit could make a known word of it."""
        if not _SHORTEST <= len(word) <= self.longest + 1 or _ORDINAL.fullmatch(word):
            return False
        digits = sum(map(str.isdigit, word))
        if digits:  # else a name, such as 3D
            return len(word) >= _SHORTEST_WHOLE and digits < len(word) - digits
        return True

    def _heard(self, word: str) -> str:
        """A neighbour in small letters; all that are unknown are alike."""
        plain = word.lower() if len(word) <= self.longest else _STRANGE
        return plain if plain in self.ranks or plain == EDGE else _STRANGE

    def _parted(self, first: str, second: str) -> bool:
        """Whether two are no words, or not both, and together are one."""
        whole = (first + second).lower()
        both = first.lower() in self.ranks and second.lower() in self.ranks
        return len(whole) >= _SHORTEST_WHOLE and not both and whole in self.ranks

    def _meant(self, before: str, word: str, after: str) -> str:
        """The word that was meant between two others, in small letters."""
        near, next_alone = self.near(word), self.alone(after)
        if not near.words:
            return word

        def likely(meant: str) -> float:
            here = self.usage.share(meant, before, self.alone(meant))
            return math.log(here) + math.log(self.usage.share(after, meant, next_alone))

        best = max(near.words, key=likely)
        return word if near.itself and likely(best) + _SLIP <= likely(word) else best

    def _near(self, word: str) -> _Near:
        bare = "".join(c for c in unicodedata.normalize("NFD", word) if not _is_mark(c))
        if any(map(str.isdigit, bare)):
            near = [bare.translate(letters) for letters in _LEET]
        elif bare != word and bare in self.ranks:
            near = [bare]
        else:
            near = list(_one_edit(bare)) if bare.isascii() and bare.isalpha() else []
        known = (w for w in near if w in self.ranks and w != word and len(w) >= _SHORTEST)
        return _Near(tuple(dict.fromkeys(known)), self._stem(word) is not None)

    def _alone(self, word: str) -> float:
        """How likely a word is, whatever stands beside it."""
        stem = self._stem(word)
        order = _UNKNOWN
        if stem is not None:
            order = (1.0 if stem == word else _ENDED) / (self.ranks[stem] + _OFFSET) / self.scale
        return (self.usage.words.get(word, 0) + _PRIOR * order) / (self.seen + _PRIOR)

    def _stem(self, word: str) -> str | None:
        """A known word itself, or what it is with an ending; None of one that is not known."""
        if word in self.ranks:
            return word
        stems = (word.removesuffix(ending) for ending in _ENDINGS if word.endswith(ending))
        return next((s for s in stems if len(s) >= _SHORTEST_WHOLE and s in self.ranks), None)


def _is_mark(character: str) -> bool:
    return unicodedata.combining(character) > 0


def _one_edit(word: str) -> Iterator[str]:
    """Words of which ``word`` is one edit: two letters swapped, one too many, another, missing."""
    for i in range(len(word)):
        yield word[:i] + word[i + 1 :]
        yield word[:i] + word[i + 1 : i + 2] + word[i] + word[i + 2 :]
        for letter in string.ascii_lowercase:
            yield word[:i] + letter + word[i + 1 :]
            yield word[:i] + letter + word[i:]
    for letter in string.ascii_lowercase:
        yield word + letter


def _like(word: str, other: str) -> str:
    """``other`` with the capitals of ``word``."""
    if word.isupper():
        return other.upper()
    return other.capitalize() if word[:1].isupper() else other
