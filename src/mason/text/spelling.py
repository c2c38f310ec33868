"""Words put right at the tokenizer's door: an edit of one letter, digits for letters, a space.

One wrong letter gives a word other tokens and turns most classifiers (Gao et al. 2018); a reader
does not notice. Putting words right before the model sees them undoes more of that than training
does (Pruthi et al. 2019). The words that are known are those the tokenizer has as one token, the
more frequent ones first, as vocabularies are sorted; so nothing has to be learned or kept. A word
that is not known and one edit away from none that is stays as it is.
"""

import re
import string
import unicodedata
from collections.abc import Iterator, Sequence
from functools import lru_cache

from mason.text.cleaning import Cleaned, as_read

_WORD = re.compile(r"[^\W_]+")
_LEET = [str.maketrans("430571", f"aeost{one}") for one in "il"]
_ENDINGS = "s es d ed r er ers ing ly ness less y".split()
_SHORTEST = 3
"""Letters of a word below which one edit makes most others."""


class Speller:
    """Reads a text as ``as_read`` does, and then word by word.

    Args:
        words: Known words in small letters, the most frequent first.
    """

    def __init__(self, words: Sequence[str]) -> None:
        self.ranks = {word: i for i, word in reversed(list(enumerate(words)))}
        self.longest = max(map(len, self.ranks), default=0)
        self.right = lru_cache(1 << 14)(self._right)

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
        places = [found.span() for found in _WORD.finditer(text)]
        number = 0
        while number < len(places):
            start, end = places[number]
            word, number = text[start:end], number + 1
            if number < len(places) and text[end : places[number][0]] == " ":
                other = text[slice(*places[number])]
                if self._parted(word, other):
                    yield start, places[number][1], word + other
                    number += 1
                    continue
            yield start, end, self.right(word)

    def _parted(self, first: str, second: str) -> bool:
        """Whether two are no words, or not both, and together are one."""
        whole = (first + second).lower()
        both = first.lower() in self.ranks and second.lower() in self.ranks
        return len(whole) >= _SHORTEST and not both and whole in self.ranks

    def _right(self, word: str) -> str:
        plain = word.lower()
        if not _SHORTEST <= len(word) <= self.longest + 1:  # one edit makes it none that is known
            return word
        if self._is_known(plain) or not any(map(str.isalpha, word)):
            return word
        bare = "".join(c for c in unicodedata.normalize("NFD", plain) if not _is_mark(c))
        if any(map(str.isdigit, bare)):  # else a name, such as mp3s
            near = [bare.translate(letters) for letters in _LEET]
        else:
            near = [bare, *_one_edit(bare)] if bare.isascii() and bare.isalpha() else []
        near = [other for other in near if other in self.ranks]
        if bare in near or not near:
            return _like(word, bare) if near else word
        return _like(word, min(near, key=self.ranks.__getitem__))

    def _is_known(self, word: str) -> bool:
        """Whether it is a known word, or one with an ending."""
        if word in self.ranks:
            return True
        stems = (word.removesuffix(ending) for ending in _ENDINGS if word.endswith(ending))
        return any(len(stem) >= _SHORTEST and stem in self.ranks for stem in stems)


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
