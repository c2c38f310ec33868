"""A text as a model may read it: what is spelt apart, reversed or encoded, said plainly.

A filter that reads only what stands there is passed by Base64, letters with spaces between them
or digits for letters (Wei et al. 2023), all of which larger models read.
"""

import base64
import binascii
import codecs
import html
import re
import unicodedata
from collections.abc import Callable, Iterator
from urllib.parse import unquote

from mason.text.cleaning import clean
from mason.text.lookalikes import lookalikes

_SHORTEST = 16
"""Characters of a run that may be Base64 or hexadecimal."""
_BASE64 = re.compile(rf"[A-Za-z0-9+/_-]{{{_SHORTEST},}}={{0,2}}")
_HEXADECIMAL = re.compile(rf"\b(?:[0-9A-Fa-f]{{2}}[ :]?){{{_SHORTEST // 2},}}")
_ESCAPED = re.compile(r"\\u([0-9a-fA-F]{4})|\\x([0-9a-fA-F]{2})")
_APART = re.compile(r"(?<!\w)\w(?:[ .*_/|-]{1,3}\w(?!\w)){3,}")
_DIGITS = [str.maketrans("0134578@$!", f"o{one}eastbasi") for one in "il"]
_MIXED = re.compile(r"(?<![\w@$!])(?=[\w@$!]*[A-Za-z])(?=[\w@$!]*[0-9@$!])[\w@$!]{3,}")
_SPACES = re.compile(r"\s+")
_PRINTABLE = 0.7
"""Share of letters, digits and spaces in what was really text."""


def views(text: str) -> list[str]:
    """``text`` as it is read, in small letters, and what is hidden in it, each once.

    The first is the text itself: cleaned (see ``mason.text.cleaning``), without accents.
    """
    found = dict.fromkeys([_plain(text)])
    for unmask in _MASKS:
        for hidden in unmask(clean(text)):
            found[_plain(hidden)] = None
            # Encoded twice, or encoded what was spelt apart.
            found.update(dict.fromkeys(_plain(more) for more in _decoded(hidden)))
    return list(found)


def _plain(text: str) -> str:
    apart = unicodedata.normalize("NFKD", clean(text))
    bare = "".join(c for c in apart if unicodedata.category(c) != "Mn")
    return unicodedata.normalize("NFKC", bare).casefold()


def _together(text: str) -> Iterator[str]:
    """Letters that stand apart, joined: ``h i  y o u`` says ``hi you``."""
    if _APART.search(text):
        yield _APART.sub(lambda run: _joined(run.group()), text)


def _joined(run: str) -> str:
    """A run of letters as words: more of what parts the letters, or a space, parts the words."""
    gap = r" {2,}" if run[1] == " " else r" +|[.*/|-]{2,}"
    return " ".join("".join(c for c in word if c.isalnum()) for word in re.split(gap, run))


def _undisguised(text: str) -> Iterator[str]:
    """Digits and signs that stand for letters, as letters, where a word mixes them."""
    if _MIXED.search(text):
        for letters in _DIGITS:
            yield text.translate(letters)


def _latin(text: str) -> Iterator[str]:
    """Every letter that looks like a Latin one as that, in words of other scripts too."""
    made = text.translate({ord(letter): latin for letter, latin in lookalikes().items()})
    if made != text:
        yield made


def _turned(text: str) -> Iterator[str]:
    yield text[::-1]
    yield codecs.encode(text, "rot13")


def _decoded(text: str) -> Iterator[str]:
    for run in _BASE64.findall(text):
        yield from _bytes_of(run, _from_base64)
    for run in _HEXADECIMAL.findall(text):
        yield from _bytes_of(run, _from_hexadecimal)
    for plainer in (
        html.unescape(text),
        unquote(text),
        _ESCAPED.sub(lambda m: chr(int(m.group(1) or m.group(2), 16)), text),
    ):
        if plainer != text:
            yield plainer


def _from_base64(run: str) -> bytes:
    plain = run.rstrip("=").translate(str.maketrans("-_", "+/"))
    return base64.b64decode(plain + "=" * (-len(plain) % 4))


def _from_hexadecimal(run: str) -> bytes:
    return bytes.fromhex(_SPACES.sub("", run.replace(":", "")))


def _bytes_of(run: str, read: Callable[[str], bytes]) -> Iterator[str]:
    """What a run encodes, where that is text."""
    try:
        text = read(run).decode("utf-8")
    except (binascii.Error, ValueError):
        return
    readable = sum(c.isalnum() or c.isspace() for c in text)
    if readable >= _PRINTABLE * len(text):
        yield text


_MASKS = (_together, _undisguised, _latin, _decoded, _turned)
