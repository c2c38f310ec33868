"""From bytes to text: UTF-8 if it is, else the encoding whose reading is ordinary writing.

Every legacy encoding decodes most files of another into something. What tells them apart is
whether the characters that come out are common ones: Mason decodes strictly with each and
measures the share of the non-ASCII characters that people of that encoding write every day.
"""

import codecs
import re
from collections.abc import Callable
from functools import cache
from itertools import product
from pathlib import Path
from typing import NamedTuple

import charset_normalizer

from mason.errors import DataError

SAMPLE_BYTES = 200_000
"""How much of a file is looked at to guess its encoding."""

_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_NON_ASCII = re.compile(r"[^\x00-\x7f]")
_ENOUGH = 0.7


class Decoded(NamedTuple):
    """A file's text, the encoding it is in, and whether that had to be guessed."""

    text: str
    encoding: str
    guessed: bool


def decode(data: bytes, file: Path, encoding: str | None = None) -> Decoded:
    """The text that ``data`` spells.

    Args:
        data: the whole file.
        file: its name, for errors.
        encoding: a name Python knows; None finds it.

    Raises:
        DataError: the encoding is unknown or does not fit; the sentence names the first byte
            and line that cannot be read.
    """
    if encoding is not None:
        return Decoded(_decode_as(data, file, encoding), encoding, False)
    for mark, name in _BYTE_ORDER_MARKS:
        if data.startswith(mark):
            return Decoded(_decode_as(data, file, name), name, False)
    wide = _without_mark(data)
    if wide is not None:
        return Decoded(_decode_as(data, file, wide), wide, True)
    try:
        return Decoded(data.decode("utf-8"), "utf-8", False)
    except UnicodeDecodeError as error:
        if _is_damaged_utf8(data):
            raise DataError(
                "{file}, line {line}: byte {offset} is damaged in a file that is otherwise "
                "UTF-8; repair or delete that character.",
                file=file,
                line=_line_of(data, error.start),
                offset=error.start,
            ) from None
        guess = _guess(data)
        if guess is None:
            raise DataError(
                "{file}, line {line}: byte {offset} is not UTF-8, and no other encoding fits; "
                "save the file as UTF-8, or name its encoding.",
                file=file,
                line=_line_of(data, error.start),
                offset=error.start,
            ) from None
    return Decoded(_decode_as(data, file, guess), guess, True)


def _decode_as(data: bytes, file: Path, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise DataError(
            "{file}, line {line}: byte {offset} cannot be read as {encoding}; save the file as "
            "UTF-8, or name its true encoding.",
            file=file,
            line=_line_of(data, error.start),
            offset=error.start,
            encoding=encoding,
        ) from None
    except (LookupError, UnicodeError):  # no such codec, or one that is not for text
        raise DataError(
            "{encoding} is no encoding for text; name one such as utf-8, gb18030 or cp1252.",
            encoding=encoding,
        ) from None


def _line_of(data: bytes, offset: int) -> int:
    return data.count(b"\n", 0, offset) + 1


def _is_damaged_utf8(data: bytes) -> bool:
    """Whether nearly all that is not ASCII is well-formed UTF-8.

    Two bytes of GBK are well-formed UTF-8 by chance about one time in fifty.
    """
    text = data.decode("utf-8", errors="replace")
    broken = text.count("\ufffd")
    sound = len(_NON_ASCII.findall(text)) - broken
    return sound >= 10 * broken


def _guess(data: bytes) -> str | None:
    """The encoding whose reading looks most like writing, or None."""
    sample = _sample(data)
    scores = {name: _score(sample, name) for name in _CANDIDATES}
    for name in sorted(scores, key=lambda name: -scores[name]):  # the earlier name wins a tie
        if scores[name] and _decodes(data, name):
            return name
    match = charset_normalizer.from_bytes(sample).best()
    # Without a language it recognises, its answer is the first of several that fit.
    sure = match is not None and match.coherence > 0.1 and _decodes(data, match.encoding)
    return match.encoding if match is not None and sure else None


def _without_mark(data: bytes) -> str | None:
    """UTF-16 without its mark, known by the zero byte in each ASCII character."""
    head = data[:SAMPLE_BYTES]
    for first, name in ((1, "utf-16-le"), (0, "utf-16-be")):
        zeros = head[first::2].count(0)
        if zeros > len(head) // 10 and head[1 - first :: 2].count(0) == 0 and _decodes(data, name):
            return name
    return None


def _decodes(data: bytes, encoding: str) -> bool:
    try:
        data.decode(encoding)
    except UnicodeError:
        return False
    return True


def _sample(data: bytes) -> bytes:
    """Whole lines that are not plain ASCII, up to `SAMPLE_BYTES`."""
    lines = (line for line in data.split(b"\n") if not line.isascii())
    sample = bytearray()
    for line in lines:
        sample += line + b"\n"
        if len(sample) > SAMPLE_BYTES:
            break
    return bytes(sample)


def _score(sample: bytes, encoding: str) -> float:
    """Share of the non-ASCII characters that are common, plus the share of everyday ones.

    0 if ``sample`` does not decode, or comes out as too few of either.
    """
    candidate = _CANDIDATES[encoding]
    try:
        text = sample.decode(encoding)
    except UnicodeDecodeError:
        return 0.0
    characters = _NON_ASCII.findall(text)
    common = candidate.num_common(text) / max(1, len(characters))
    everyday = sum(c in candidate.everyday for c in characters) / max(1, len(characters))
    if common < _ENOUGH or everyday < candidate.least or len(characters) < candidate.num_least:
        return 0.0
    return common + everyday + candidate.prior


class _Candidate(NamedTuple):
    """How to recognise an encoding by what it decodes to."""

    num_common: Callable[[str], int]
    """Counts the characters of a text that are common in this encoding's languages."""
    everyday: frozenset[str]
    """Those of them that hardly a sentence is without."""
    least: float = 0.0
    """The smallest share of everyday characters that real text has."""
    num_least: int = 1
    """Fewer characters than this prove nothing."""
    prior: float = 0.0


def _double_byte(encoding: str, leads: str, trails: str = "A1-FE") -> Callable[[str], int]:
    """Count the characters in the rows of a double-byte set that hold its frequent ones.

    ``leads`` and ``trails`` are ranges of bytes. Those sets put punctuation and the frequent
    characters in rows of their own: GB 2312 level 1, Big5 frequent, JIS level 1.
    """

    @cache
    def known() -> frozenset[str]:
        pairs = (bytes(pair) for pair in product(_bytes(leads), _bytes(trails)))
        return frozenset("".join(pair.decode(encoding, errors="ignore") for pair in pairs))

    return lambda text: sum(c in known() for c in _NON_ASCII.findall(text))


def _bytes(ranges: str) -> list[int]:
    """``A1-A3 B0-D7`` as a list of the bytes it names."""
    ends = [[int(end, 16) for end in part.split("-")] for part in ranges.split()]
    return [byte for first, last in ends for byte in range(first, last + 1)]


def _runs(pattern: str) -> Callable[[str], int]:
    """Count the characters in the matches of ``pattern``."""
    compiled = re.compile(pattern)
    return lambda text: sum(map(len, compiled.findall(text)))


_CHINESE = frozenset(
    "的一是了我不人在他有这个上们来到时大为中你说和要也得里以会家可下过去能对小多好看没还很都就"
    "這個們來時為說裡會過對沒還，。！"
)
_HIRAGANA = frozenset(chr(code) for code in range(0x3041, 0x30A0))
_KOREAN = frozenset("이다는의에가을를고하지은어아도사기그나리로한들있것수니요자서해만시대")
_RUSSIAN = frozenset("оеаинтсрвл")
_FRENCH_GERMAN_SPANISH = frozenset("éèàêçäöüßñóíáã’“”–")

# Accents stand alone or in pairs between plain letters; two-byte characters come in runs.
_WESTERN_RUNS = r"(?<![^\x00-\x7f])[À-ÖØ-öø-ÿŒœŠšŽž‘’“”–—…•€£°«»©®ªº¡¿´·\xa0]{1,2}(?![^\x00-\x7f])"
_RUSSIAN_WORDS = r"(?<![^\W\d_])[А-Яа-яЁё]+(?![^\W\d_])"

_CANDIDATES = {
    "gb18030": _Candidate(_double_byte("gbk", "A1-A3 B0-D7"), _CHINESE, prior=0.15),
    "big5": _Candidate(_double_byte("big5", "A1-C6", "40-FE"), _CHINESE),
    "cp932": _Candidate(_double_byte("euc_jp", "A1-A8 B0-CF"), _HIRAGANA, least=0.2),
    "euc_jp": _Candidate(_double_byte("euc_jp", "A1-A8 B0-CF"), _HIRAGANA, least=0.2),
    "cp949": _Candidate(_double_byte("euc_kr", "A1-A3 B0-C8"), _KOREAN, 0.15, num_least=8),
    "cp1252": _Candidate(_runs(_WESTERN_RUNS), _FRENCH_GERMAN_SPANISH),
    "cp1251": _Candidate(_runs(_RUSSIAN_WORDS), _RUSSIAN, least=0.3, num_least=5),
}
