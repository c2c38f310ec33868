"""SWORD's compressed modules (zText): the running text of books, a chapter at a time.

A testament is three files, numbers little-endian: ``.bzs`` says where each zlib block of ``.bzz``
lies (offset, bytes, bytes unpacked), ``.bzv`` where each verse lies in a block (block, offset,
bytes). Which verse is which depends on a table outside the module; chapters are told by the
OSIS mark-up of the text itself.
"""

import html
import re
import struct
import zlib
from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from mason.errors import SourceError

_CHAPTER = re.compile(
    r'<chapter [^>]*osisID="(?P<name>[^"]+)"[^>]*sID=[^>]*>(?P<text>.*?)(?=<chapter )', re.DOTALL
)
_UNSAID = re.compile(r"<(note|rdg)\b[^>]*?(?:/>|>.*?</\1>)", re.DOTALL)
_LINE = re.compile(
    r'<div\b[^>]*sID=[^>]*type="x-p"[^>]*>|<(?:l|lg)\b[^>]*sID=[^>]*>|<lb\b[^>]*>'
    r"|</(?:title|speaker|item)>"
)
_TAG = re.compile(r"<[^>]*>")
# What a note leaves between a word and its mark.
_GAP = re.compile(r" +(?=[,.;:?!”)])")


class Chapter(NamedTuple):
    """A chapter: ``name`` as OSIS has it, such as Gen.1; paragraphs and verses are lines."""

    name: str
    text: str


def chapters(folder: Path) -> Iterator[Chapter]:
    """Every chapter of a module, in order, without notes and mark-up.

    Args:
        folder: Holds ``ot.bzs``, ``ot.bzv``, ``ot.bzz`` and the same of ``nt``, or one of them.

    Raises:
        SourceError: The files are damaged, or hold no chapter.
    """
    found = 0
    for testament in ("ot", "nt"):
        if (folder / f"{testament}.bzs").exists():
            # The end of the last chapter may be missing.
            marked = "".join(_entries(folder, testament)) + "<chapter "
            for match in _CHAPTER.finditer(marked):
                text = _plain(match["text"])
                if text:
                    found += 1
                    yield Chapter(match["name"], text)
    if not found:
        raise _damaged(folder)


def _entries(folder: Path, testament: str) -> Iterator[str]:
    """The blocks, cut where a verse begins; its size, of 16 bits, is too small for some."""
    try:
        index, verses, packed = (
            (folder / f"{testament}.{ending}").read_bytes() for ending in ("bzs", "bzv", "bzz")
        )
        begins: dict[int, set[int]] = defaultdict(set)
        for block, start, size in struct.iter_unpack("<IIH", verses):
            if size:
                begins[block].add(start)
        for number, (start, size, _) in enumerate(struct.iter_unpack("<III", index)):
            text = zlib.decompress(packed[start : start + size]) if size else b""
            cuts = [0, *sorted(begins[number]), len(text)]
            for first, last in pairwise(cuts):
                yield text[first:last].decode("utf-8") + " "
    except (OSError, ValueError, struct.error, zlib.error) as error:
        raise _damaged(folder) from error


def _plain(marked: str) -> str:
    text = _TAG.sub("", _LINE.sub("\n", _UNSAID.sub(" ", marked)))
    lines = (_GAP.sub("", " ".join(line.split())) for line in html.unescape(text).split("\n"))
    return "\n".join(line for line in lines if line)


def _damaged(folder: Path) -> SourceError:
    return SourceError(
        "{folder} holds no SWORD module that can be read; fetch the package again.", folder=folder
    )
