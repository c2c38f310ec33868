"""A text as the words that an attack may touch, and all that stands between them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.util import find_spec

from mason.text.splitting import Unit, split_words


@dataclass(frozen=True)
class Words:
    """A text in words; ``gaps`` are what stands before each of them and after the last.

    Chinese is cut by jieba where it is installed, else into characters.
    """

    words: tuple[str, ...]
    gaps: tuple[str, ...]

    @classmethod
    def of(cls, text: str, unit: Unit | None = None) -> "Words":
        """The words of ``text``; punctuation belongs to the gaps.

        Args:
            text: Running text.
            unit: What to cut Chinese into; None: words where jieba is installed.
        """
        unit = unit or ("word" if _has_jieba() else "character")
        places = [(a, b) for a, b in split_words(text, unit) if text[a].isalnum()]
        bounds = [0, *(edge for place in places for edge in place), len(text)]
        gaps = tuple(text[a:b] for a, b in zip(bounds[::2], bounds[1::2], strict=True))
        return cls(tuple(text[a:b] for a, b in places), gaps)

    def __len__(self) -> int:
        return len(self.words)

    def __str__(self) -> str:
        pairs = zip(self.gaps, self.words, strict=False)
        return "".join(part for pair in pairs for part in pair) + self.gaps[-1]

    def changed(self, place: int, word: str) -> "Words":
        """The same with another word at ``place``."""
        return replace(self, words=(*self.words[:place], word, *self.words[place + 1 :]))

    def kept(self, places: Sequence[int]) -> str:
        """The words at ``places`` alone, in order, with spaces where there were gaps."""
        return "".join(
            (" " if self.gaps[place] and number else "") + self.words[place]
            for number, place in enumerate(places)
        )


def is_stop_word(word: str) -> bool:
    """Whether it is one of the English words that carry grammar."""
    return word.lower() in _stop_words()


@cache
def _stop_words() -> frozenset[str]:
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS  # three seconds, with pandas

    return frozenset(ENGLISH_STOP_WORDS)


@cache
def _has_jieba() -> bool:
    return find_spec("jieba") is not None
