"""A user's texts as words, and which token belongs to which."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from mason.errors import SettingsError
from mason.text import Encoding
from mason.text.splitting import split_words

OUTSIDE = -1
"""The word of a token that belongs to none."""


@dataclass(frozen=True)
class Word:
    """A word of one of the user's texts: its characters, and which text it is of."""

    start: int
    end: int
    part: int = 0


def words_of(texts: Sequence[str], encoding: Encoding) -> tuple[tuple[Word, ...], tuple[int, ...]]:
    """The words of what a model read, and the word of each token.

    Words that share a token are one; those that were cut off are none.

    Args:
        texts: One, or a pair.
        encoding: The tokens made of them.
    """
    places = [
        Word(start, end, part) for part, text in enumerate(texts) for start, end in _split(text)
    ]
    found: list[Word] = []
    numbers: list[int] = []
    for part, (start, end) in zip(encoding.parts, encoding.spans, strict=True):
        touched = [w for w in places if w.part == part and w.start < end and w.end > start]
        if not touched:
            numbers.append(OUTSIDE)
            continue
        last = found[-1] if found else None
        if last is None or last.part != part or touched[0].start >= last.end:
            found.append(Word(touched[0].start, touched[-1].end, part))
        elif touched[-1].end > last.end:
            found[-1] = replace(last, end=touched[-1].end)
        numbers.append(len(found) - 1)
    return tuple(found), tuple(numbers)


def _split(text: str) -> list[tuple[int, int]]:
    """Its words; Chinese in characters where what cuts it into words is not installed."""
    try:
        return split_words(text)
    except SettingsError:
        return split_words(text, "character")
