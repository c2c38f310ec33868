"""Texts as a reader sees them: what hides in a text, or poses as another letter, is undone.

One invisible character between two letters gives a word other tokens, and three break most
classifiers (Boucher et al. 2022). Normal forms of Unicode do not help: they keep zero-width
and bidirectional characters, variation selectors and the letters of other scripts.
"""

import re
import unicodedata
from typing import NamedTuple

from mason.text.lookalikes import as_meant

_HIDDEN = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f\x80-\x84\x86-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5"
    "\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0"
    "\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_BACK = "\x08\x7f"
_EMBEDDINGS, _ISOLATES = "\u202a\u202b\u202d\u202e", "\u2066\u2067\u2068"
_POP, _POP_ISOLATE, _RIGHT_TO_LEFT = "\u202c", "\u2069", "\u202e"
_MARKS = frozenset(_EMBEDDINGS + _ISOLATES + _POP + _POP_ISOLATE)
_JOINING = re.compile(
    "[\u0600-\u08ff\u0900-\u0dff\u1000-\u109f\u1780-\u18af\ufb50-\ufdff\ufe70-\ufefc]"
)
_JAMO = re.compile("[\u1100-\u11ff]")
_MONGOLIAN = re.compile("[\u1800-\u18af]")
_KEYCAP, _BLACK_FLAG = "\u20e3", "\U0001f3f4"


class Cleaned(NamedTuple):
    """A text as it is read, and of each of its characters the place in the text as given."""

    text: str
    origins: list[int]

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Where in the text as given the characters from ``start`` to ``end`` stand."""
        places = self.origins[start:end]
        if places:
            return min(places), max(places) + 1
        at = self.origins[start] if start < len(self.origins) else self._end
        return at, at

    @property
    def _end(self) -> int:
        return max(self.origins, default=-1) + 1


def as_read(text: str) -> Cleaned:
    """``text`` without what nobody sees, in the order and in the letters that it is seen in.

    Joiners and selectors stay where writing needs them: in Arabic, Persian and Indic words, in
    Mongolian, and in emoji. Ordinary text of any language stays as it is.
    """
    if not _HIDDEN.search(text):
        return Cleaned(as_meant(text), list(range(len(text))))
    places = _kept(text, _struck_out(text, _in_order(text)))
    seen = "".join(text[place] for place in places)
    return Cleaned(as_meant(seen), places)


def clean(text: str) -> str:
    """The text of ``as_read``."""
    if text.isascii() and not _HIDDEN.search(text):
        return text
    return as_read(text).text


def _in_order(text: str) -> list[int]:
    """Places in the order they are seen in: what is forced to run right to left, reversed."""
    if not _MARKS.intersection(text):
        return list(range(len(text)))
    open_: list[tuple[str, list[list[int]]]] = [("", [])]
    for place, character in enumerate(text):
        if character in _EMBEDDINGS or character in _ISOLATES:
            open_.append((character, []))
        elif character == _POP and open_[-1][0] and open_[-1][0] in _EMBEDDINGS:
            _close(open_)
        elif character == _POP_ISOLATE and any(mark and mark in _ISOLATES for mark, _ in open_):
            while open_[-1][0] not in _ISOLATES:
                _close(open_)
            _close(open_)
        elif character not in _MARKS:
            open_[-1][1].append([place])
    while len(open_) > 1:
        _close(open_)
    return [place for unit in open_[0][1] for place in unit]


def _close(open_: list[tuple[str, list[list[int]]]]) -> None:
    mark, units = open_.pop()
    ordered = reversed(units) if mark == _RIGHT_TO_LEFT else units
    open_[-1][1].append([place for unit in ordered for place in unit])


def _struck_out(text: str, places: list[int]) -> list[int]:
    """Without what a backspace takes away on a screen, and the backspaces."""
    kept: list[int] = []
    for place in places:
        if text[place] not in _BACK:
            kept.append(place)
        elif kept:
            kept.pop()
    return kept


def _kept(text: str, places: list[int]) -> list[int]:
    """Without hidden characters, except those that their neighbours need."""
    kept: list[int] = []
    for number, place in enumerate(places):
        if _HIDDEN.match(text[place]):
            before = text[kept[-1]] if kept else ""
            after = text[places[number + 1]] if number + 1 < len(places) else ""
            if not _is_needed(text[place], before, after):
                continue
        kept.append(place)
    return kept


def _is_needed(hidden: str, before: str, after: str) -> bool:
    if not before:
        return False
    if hidden == "\u200d":
        emoji = _is_emoji(before) or before == "\ufe0f"
        return (emoji and _is_emoji(after)) or _JOINING.match(before) is not None
    if hidden == "\u200c":
        return _JOINING.match(before) is not None
    if hidden in "\ufe0e\ufe0f":
        return _is_emoji(before) or (before in "#*0123456789" and after == _KEYCAP)
    if "\U000e0020" <= hidden <= "\U000e007f":
        return before == _BLACK_FLAG or "\U000e0020" <= before <= "\U000e007f"
    if hidden in "\u115f\u1160":
        return _JAMO.match(before + after) is not None
    return "\u180b" <= hidden <= "\u180f" and _MONGOLIAN.match(before) is not None


def _is_emoji(character: str) -> bool:
    """Whether it can be a picture: a symbol, a skin tone, or ‼ and its like."""
    if not character or character.isascii():
        return False
    return unicodedata.category(character) in ("So", "Sm", "Sk") or character in "‼⁉〰〽"
