"""What manual pages say of options, read from their source (roff with the man macros)."""

import re
from collections.abc import Iterator
from typing import NamedTuple

_FONT = re.compile(r"\\f(?:\[[^]]*\]|\(..|.)|\\[&|^%:]|\\s[-+]?\d|\\m\[[^]]*\]")
_NAMED = {"aq": "'", "dq": '"', "lq": "“", "rq": "”", "bu": "•", "em": "—", "en": "–", "co": "©"}
_CHARACTER = re.compile(r"\\\((..)|\\\[(\w+)\]")
_INLINE = re.compile(r"\.(?:B|I|BR|RB|BI|IB|IR|RI|SM|SB)\s+(.*)")
_OPTION = re.compile(r"--?[A-Za-z0-9][\w-]*")
_BREAKS = (".TP", ".IP", ".SH", ".SS", ".PP", ".P", ".LP", ".RE", ".HP", ".TQ")


class Option(NamedTuple):
    """The names of an option with their arguments, and what its paragraph says."""

    heading: str
    names: tuple[str, ...]
    text: str


def options_of(page: str) -> Iterator[Option]:
    """Every option that has a paragraph, in the order of the page.

    Understood are ``.TP`` and ``.IP`` with the option behind them, and DocBook's bold line
    before ``.RS``.
    """
    lines = page.split("\n")
    place = 0
    while place < len(lines):
        line, heading, after = lines[place], "", place + 1
        if line.startswith(".TP") and after < len(lines):
            heading, after = plain(lines[after]), after + 1
        elif line.startswith(".IP"):
            heading = plain(_arguments(line)[0]) if _arguments(line) else ""
        elif line.startswith(".RS") and place and not lines[place - 1].startswith(".PP"):
            heading = plain(lines[place - 1])
        place += 1
        if not heading.startswith("-"):
            continue
        text, place = _paragraph(lines, after)
        names = tuple(dict.fromkeys(_OPTION.findall(re.sub(r"=\S+|<[^>]*>", " ", heading))))
        if names and text:
            yield Option(heading, names, text)


def _paragraph(lines: list[str], place: int) -> tuple[str, int]:
    """The text from here to the next break, and where that is."""
    said: list[str] = []
    while place < len(lines) and not lines[place].startswith(_BREAKS):
        if not lines[place].startswith((".", "'")) or _INLINE.match(lines[place]):
            said.append(plain(lines[place]))
        place += 1
    return " ".join(" ".join(said).split()), place


def _arguments(line: str) -> list[str]:
    return [a or b for a, b in re.findall(r'"((?:[^"]|"")*)"|(\S+)', line)][1:]


def plain(line: str) -> str:
    """A line without fonts and escapes."""
    inline = _INLINE.match(line)
    if inline:
        alternating = not line.startswith((".B ", ".I ", ".SM ", ".SB "))
        line = ("" if alternating else " ").join(_arguments("x " + inline[1]))
    line = _FONT.sub("", line)
    line = _CHARACTER.sub(lambda m: _NAMED.get(m[1] or m[2], ""), line)
    line = line.replace("\\-", "-").replace("\\ ", " ").replace("\\~", " ").replace("\\e", "\\")
    return line.replace("\\'", "'").replace("\\`", "`").replace("\\.", ".").strip()
