"""Letters that look like letters of another script, and which of them a text really means.

The pairs were chosen by eye for the scripts that people mix with Latin to deceive: Cyrillic,
Greek, Armenian, Cherokee, and the phonetic letters of Latin itself. Unicode's Technical
Standard 39 calls them confusables; its table has thousands more, nearly all for scripts that
no word of a Latin text is written in.
"""

import re
import unicodedata
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

_ALIKE = {
    "cyrillic": (
        "аa сc ԁd еe һh іi јj ӏl оo рp ԛq ѕs ѵv ԝw хx уy "
        "ѡw үy ҽe АA ВB СC ЕE ԌG НH ІI ЈJ КK МM ОO РP ԚQ ЅS ТT ѴV ԜW ХX ҮY УY"
    ),
    "greek": "αa ϲc ϳj οo ρp ιi νv υu γy σo ΑA ΒB ΕE ΖZ ΗH ΙI ΚK ΜM ΝN ΟO ΡP ΤT ΥY ΧX ϹC ͿJ",
    "armenian": "օo ոn սu հh ցg զq գq աw ռn յj ՕO ՍU ՏS",
    "cherokee": "ᎪA ᏴB ᏟC ᎠD ᎬE ᏀG ᎻH ᎫJ ᏦK ᏞL ᎷM ᏢP ᎡR ᏚS ᎢT ᏙV ᎳW ᏃZ",
}
_NEARLY = "кk мm нh тt вb ҝk πn κk τt ηn ωw εe χx βb ɑa ɡg ɩi ᴏo ᴄc ᴠv ᴡw ᴢz ʏy ɪi ꜱs ƿp"
"""Like enough beside letters of the other script, but no word is told by them."""
_SCRIPT_OF = {
    "latin": re.compile("[A-Za-z]"),
    "cyrillic": re.compile("[\u0400-\u052f]"),
    "greek": re.compile("[\u0370-\u03ff]"),
    "armenian": re.compile("[\u0530-\u058f]"),
    "cherokee": re.compile("[\u13a0-\u13ff]"),
}
_WIDE = re.compile("[\u3041-\u30fa\u3400-\u9fff\uac00-\ud7af]")
_DRESSED = re.compile(
    "[\u2100-\u2138\u2160-\u217f\u24b6-\u24e9\uff21-\uff3a\uff41-\uff5a"
    "\U0001d400-\U0001d7cb\U0001f130-\U0001f149]"
)
"""Letters in another dress: fullwidth, mathematical, circled, Roman numerals."""
_FOREIGN = re.compile(
    "[\u0250-\u02af\u0370-\u058f\u13a0-\u13ff\u1d00-\u1d7f\ua730-\ua7ff\u01bf]|" + _DRESSED.pattern
)
_WORD = re.compile(r"[^\W\d_]+")
_NAMED_ALONE = frozenset("αγινρσυ")
"""Greek letters that science writes alone."""
_PLAIN_WORDS = 12
"""Letters of a text that are all lookalikes, from which on it is no accident."""


@cache
def lookalikes() -> Mapping[str, str]:
    """Foreign letters and the Latin ones they look like."""
    pairs = " ".join((*_ALIKE.values(), _NEARLY)).split()
    return MappingProxyType({pair[0]: pair[1] for pair in pairs})


@cache
def _exact() -> frozenset[str]:
    return frozenset(pair[0] for pairs in _ALIKE.values() for pair in pairs.split())


@cache
def _back() -> Mapping[str, str]:
    """Latin letters and the Cyrillic ones they look like."""
    return {pair[1]: pair[0] for pair in reversed(_ALIKE["cyrillic"].split())}


def as_meant(text: str) -> str:
    """``text`` with each letter from the script its word is written in; as long as before.

    A word of letters from two scripts, or in a Latin text a word of nothing but lookalikes, is
    put into the script that the text is mostly written in. A Cyrillic, Greek, Chinese or Arabic
    text has no such words and stays as it is.
    """
    if not _FOREIGN.search(text):
        return text
    home = _home(text)
    if home == "latin":
        # Where a foreign letter poses as none of ours, another language is quoted.
        quoted = any(_is_foreign(c) and c not in lookalikes() for c in text)
        posing = _exact() if quoted else frozenset(lookalikes())
        # Fullwidth letters are at home in Chinese and Japanese.
        bare = text if _WIDE.search(text) else "".join(map(_undressed, text))
        meant = _WORD.sub(lambda found: _latin(found.group(), posing), bare)
        # Letters that science writes alone are let be, unless others in the text pose too.
        lone = _NAMED_ALONE if meant != bare and not quoted else ()
        return "".join(lookalikes()[c] if c in lone else c for c in meant)
    if home == "cyrillic":
        return _WORD.sub(lambda found: _cyrillic(found.group()), text)
    return text


def _home(text: str) -> str:
    """The script that most letters of a text can only come from."""
    exact = _exact()
    told = {
        script: sum(letter not in exact for letter in pattern.findall(text))
        for script, pattern in _SCRIPT_OF.items()
    }
    told["latin"] += len(_DRESSED.findall(text))
    if _is_posed(text):
        return "latin"
    if not any(told.values()):
        return "latin" if sum(letter in exact for letter in text) >= _PLAIN_WORDS else ""
    return max(told, key=lambda script: told[script])


def _is_posed(text: str) -> bool:
    """Whether all letters are Latin or look so, and a word has some of two other scripts."""
    others = {letter for letter in text if letter.isalpha() and not letter.isascii()}
    if not others <= lookalikes().keys():
        return False
    return any(len(_foreign_scripts(word)) > 1 for word in _WORD.findall(text))


def _foreign_scripts(word: str) -> set[str]:
    found = {script for script, pattern in _SCRIPT_OF.items() if pattern.search(word)}
    return found - {"latin"}


def _is_foreign(letter: str) -> bool:
    return bool(_foreign_scripts(letter))


def _latin(word: str, posing: frozenset[str]) -> str:
    if word.isascii():
        return word
    mixed = _SCRIPT_OF["latin"].search(word) is not None
    if not mixed and (word in _NAMED_ALONE or not posing.issuperset(word)):
        return word
    return "".join(lookalikes().get(letter, letter) for letter in word)


def _undressed(letter: str) -> str:
    if not _DRESSED.match(letter):
        return letter
    bare = unicodedata.normalize("NFKC", letter)
    return bare if len(bare) == 1 and bare.isalpha() else letter


def _cyrillic(word: str) -> str:
    if word.isascii() or _SCRIPT_OF["cyrillic"].search(word) is None:
        return word
    return "".join(_back().get(letter, letter) for letter in word)
