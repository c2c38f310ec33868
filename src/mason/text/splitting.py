"""Running text into words, for models that read words."""

import re
from typing import Literal

from mason.errors import SettingsError
from mason.text.words import chinese_words

Unit = Literal["word", "character"]
"""What stands for a word in Chinese."""

_HAN = "\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORD = re.compile(rf"[{_HAN}]+|[^\W_{_HAN}]+(?:[-'’.,_&][^\W_{_HAN}]+)*|\S")
_ALL_HAN = re.compile(rf"[{_HAN}]+")


def split_words(text: str, unit: Unit = "word") -> list[tuple[int, int]]:
    """The (start, end) of each word of a text, in characters.

    Letters and digits with what joins them within (``don't``, ``3.14``, ``well-known``); every
    other mark alone. Chinese is cut into words by jieba, or into characters.

    Args:
        text: Running text.
        unit: What to cut Chinese into.

    Raises:
        SettingsError: Chinese shall be cut into words, and jieba is not installed.
    """
    places: list[tuple[int, int]] = []
    for match in _WORD.finditer(text):
        if not _ALL_HAN.fullmatch(match[0]):
            places.append(match.span())
            continue
        end = match.start()
        for word in match[0] if unit == "character" else _chinese(match[0]):
            start, end = end, end + len(word)
            places.append((start, end))
    return places


def _chinese(run: str) -> list[str]:
    try:
        return list(chinese_words()(run))
    except SettingsError:
        raise SettingsError(
            'Cutting Chinese into words needs jieba: pip install "mason-lm[zh]".'
        ) from None
