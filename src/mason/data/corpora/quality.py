"""Rules that tell text from what the web has beside it.

A choice of those of Gopher (Rae et al. 2021, appendix A.1.1) and C4 (Raffel et al. 2020, 2.2)
that need no list of a language's words. Chinese has no spaces: there a character is a unit, sizes
of n-grams are doubled, two characters are as long as a word of the least length, and a word's own
length says nothing.
"""

import re
from collections import Counter
from collections.abc import Sequence

_IDEOGRAPH = re.compile("[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")
_BULLETS = ("*", "-", "•", "●", "·")
_ELLIPSES = ("...", "…")
_LEAST_WORDS, _MOST_WORDS = 50, 100_000
# Words in an n-gram, and the share of the characters that its most frequent one may take.
_MOST_FREQUENT = {2: 0.20, 3: 0.18, 4: 0.16}


def fault_of(text: str) -> str | None:
    """The first rule that a document breaks, by its name; None where it breaks none."""
    spaced = text.split()
    chinese = len(_IDEOGRAPH.findall(text))
    of_characters = chinese > 0.3 * sum(map(len, spaced))
    units = [c for word in spaced for c in word] if of_characters else spaced
    factor = 2 if of_characters else 1
    if not factor * _LEAST_WORDS <= len(units) <= factor * _MOST_WORDS:
        return "length"
    if not of_characters and not 3 <= sum(map(len, units)) / len(units) <= 10:
        return "word-length"
    if (text.count("#") + text.count("…") + text.count("...")) * factor > 0.1 * len(units):
        return "symbols"
    if sum(any(c.isalpha() for c in unit) for unit in units) < (0.6 if factor > 1 else 0.8) * len(
        units
    ):
        return "letters"
    if "lorem ipsum" in text.lower():
        return "lorem-ipsum"
    return _fault_of_lines(text) or _repeated(units, factor)


def _fault_of_lines(text: str) -> str | None:
    lines = [line for piece in text.split("\n") if (line := piece.strip())]
    if sum(line.startswith(_BULLETS) for line in lines) > 0.9 * len(lines):
        return "bullets"
    if sum(line.endswith(_ELLIPSES) for line in lines) > 0.3 * len(lines):
        return "ellipses"
    again = Counter(lines)
    doubled = {line: num - 1 for line, num in again.items() if num > 1}
    many = sum(doubled.values()) > 0.3 * len(lines)
    long = sum(len(line) * num for line, num in doubled.items()) > 0.2 * sum(map(len, lines))
    return "repeated-lines" if many or long else None


def _repeated(units: Sequence[str], factor: int) -> str | None:
    size = sum(map(len, units))
    for words, most in _MOST_FREQUENT.items():
        width = words * factor
        grams = Counter(zip(*(units[i:] for i in range(width)), strict=False))
        if not grams:
            continue
        gram, num = grams.most_common(1)[0]
        if num > 1 and num * sum(map(len, gram)) > most * size:
            return "repeated-words"
    return None
