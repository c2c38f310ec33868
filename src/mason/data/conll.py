"""CoNLL files: a word and its tags a line, a blank line after each sentence."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl

from mason.data.parts import Parts
from mason.errors import DataError

WORDS, TAGS = "tokens", "tags"
_DOCUMENT = "-DOCSTART-"
_UNIVERSAL = ("id", WORDS, "lemma", TAGS, "xpos", "feats", "head", "deprel", "deps", "misc")
"""CoNLL-U (Nivre et al. 2020): the tags are the universal parts of speech."""
_NUMBER = re.compile(r"\d+(-\d+|\.\d+)?")

Line = tuple[int, list[str]]


def read_conll(text: str, path: Path, columns: Sequence[str] | None) -> Parts:
    """A row a sentence, and in it a list a column.

    Columns are parted by tabs or by spaces. The first is called ``tokens`` and the last ``tags``,
    those between ``column2`` and so on; in CoNLL-U the fourth is ``tags``, and lines of several
    words or of none (``3-4``, ``5.1``) are left out.

    Args:
        text: The file.
        path: Its place, for errors.
        columns: Names of the columns, where the user gave them.

    Raises:
        DataError: A line has more or fewer columns than the first; the sentence names it.
    """
    tabs = "\t" in next((line for line in text.split("\n") if _is_filled(line)), "")
    sentences = list(_sentences(text, path, "\t" if tabs else None))
    if not sentences:
        return Parts(pl.DataFrame(), [], "conll")
    width = len(sentences[0][0][1])
    universal = tabs and width == len(_UNIVERSAL) and _NUMBER.fullmatch(sentences[0][0][1][0])
    if universal:
        kept = ([line for line in s if line[1][0].isdigit()] for s in sentences)
        sentences = [sentence for sentence in kept if sentence]
    names = _names(columns, width, path) or (_UNIVERSAL if universal else _usual(width))
    frame = pl.DataFrame(
        {
            name: pl.Series([[cells[i] for _, cells in s] for s in sentences], dtype=_LIST)
            for i, name in enumerate(names)
        }
    )
    return Parts(frame, [sentence[0][0] for sentence in sentences], "conll")


_LIST = pl.List(pl.String)


def _usual(width: int) -> list[str]:
    between = [f"column{i}" for i in range(2, width)]
    return [WORDS, *between, TAGS][:width] if width > 1 else [WORDS]


def _names(columns: Sequence[str] | None, width: int, path: Path) -> list[str] | None:
    if columns is None:
        return None
    if len(columns) != width:
        raise DataError(
            "{file} has {found} columns, but {named} are named; name each once.",
            file=path,
            found=width,
            named=len(columns),
        )
    return list(columns)


def _is_filled(line: str) -> bool:
    return bool(line.strip()) and not line.startswith(("#", _DOCUMENT))


def _sentences(text: str, path: Path, separator: str | None) -> Iterator[list[Line]]:
    sentence: list[Line] = []
    width = None
    for number, line in enumerate(text.split("\n"), start=1):
        line = line.rstrip("\r")
        if not line.strip() or line.startswith(_DOCUMENT):
            if sentence:
                yield sentence
            sentence = []
            continue
        if separator and line.startswith("#") and separator not in line:
            continue  # a comment
        cells = [cell.strip() for cell in line.split(separator)]
        width = width or len(cells)
        if len(cells) != width or not all(cells):
            raise DataError(
                "{file}, line {line}: there are {found} filled columns where the lines before have "
                "{wanted}; give every word the same columns, and a blank line after a sentence.",
                file=path,
                line=number,
                found=sum(map(bool, cells)),
                wanted=width,
            )
        sentence.append((number, cells))
    if sentence:
        yield sentence
