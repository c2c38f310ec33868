"""What an attack may put in a word's place: small moves, each a function of text and place.

Every move is a pure function: the same text and seed give the same proposals, so an attack can
be repeated.
"""

import random
import string
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from types import MappingProxyType

from mason.security.words import Words
from mason.text.lookalikes import lookalikes

Move = Callable[[Words, int], Sequence[str]]
"""Words to try at a place of a text."""

INVISIBLE = (
    "\u200b\u200c\u200d\u2060\ufeff\u00ad\u202a\u202c\u2066\u2069\u200e\ufe00\ufe0f\U000e0101"
)
"""Characters without width: joiners, marks of direction, selectors of variants."""
LEET = MappingProxyType(dict(zip("aeioslt", "4310517", strict=True)))
ACCENTS = MappingProxyType(dict(zip("aceinouyACEINOUY", "àçéîñôúýÀÇÉÎÑÔÚÝ", strict=True)))
_SHORTEST = 2
"""Letters of a word below which an edit makes another word."""


def typos(seed: int = 0) -> Move:
    """DeepWordBug's four edits (Gao et al. 2018): swap, replace, delete, insert; one a word."""

    def move(text: Words, place: int) -> list[str]:
        word = text.words[place]
        if len(word) <= _SHORTEST or not word.isascii():
            return []
        draw = random.Random(f"{seed}/{word}")
        at, letter = draw.randrange(1, len(word) - 1), draw.choice(string.ascii_lowercase)
        other = draw.randrange(len(word))
        return [
            word[:at] + word[at + 1] + word[at] + word[at + 2 :],
            word[:other] + letter + word[other + 1 :],
            word[:at] + word[at + 1 :],
            word[:at] + letter + word[at:],
        ]

    return move


def homoglyphs(seed: int = 0) -> Move:
    """A letter, or all, by one of another script that looks the same (Boucher et al. 2022)."""
    alike = foreign_letters()

    def move(text: Words, place: int) -> list[str]:
        word = text.words[place]
        draw = random.Random(f"{seed}/{word}")
        swaps = [draw.choice(alike[c]) if c in alike else c for c in word]
        at = [i for i, c in enumerate(word) if swaps[i] != c]
        single = [word[:i] + swaps[i] + word[i + 1 :] for i in at]
        return [*single, "".join(swaps)] if at else []

    return move


def invisible(seed: int = 0) -> Move:
    """A character that nobody sees at each place inside a word (Boucher et al. 2022)."""

    def move(text: Words, place: int) -> list[str]:
        word = text.words[place]
        draw = random.Random(f"{seed}/{word}")
        inner = [word[:i] + draw.choice(INVISIBLE) + word[i:] for i in range(1, len(word))]
        return [*inner, "".join(c + draw.choice(INVISIBLE) for c in word)]

    return move


def disguise(seed: int = 0) -> Move:
    """What a person still reads and no cleaner may undo: accents, digits for letters, spaces.

    The attacker who knows that invisible characters and other scripts are cleaned away.
    """

    def move(text: Words, place: int) -> list[str]:
        word = text.words[place]
        if len(word) <= _SHORTEST:
            return []
        at = random.Random(f"{seed}/{word}").randrange(1, len(word))
        leet = "".join(LEET.get(c, c) for c in word)
        accents = "".join(ACCENTS.get(c, c) for c in word)
        one = [word[:i] + ACCENTS[c] + word[i + 1 :] for i, c in enumerate(word) if c in ACCENTS]
        found = [*one, accents, leet, word[:at] + " " + word[at:]]
        return [other for other in dict.fromkeys(found) if other != word]

    return move


def together(moves: Sequence[Move]) -> Move:
    """All that several moves propose: an attacker who need not choose."""
    return lambda text, place: [word for move in moves for word in move(text, place)]


@cache
def foreign_letters() -> Mapping[str, str]:
    """Latin letters and all that look like them."""
    found: dict[str, str] = {}
    for foreign, letter in lookalikes().items():
        found[letter] = found.get(letter, "") + foreign
    return found
