"""Sentences of words with a tag each, from any table that holds them."""

import ast
import json
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import polars as pl

from mason.data import column_names as names
from mason.data.columns import Columns, check_present
from mason.data.tables import Table
from mason.errors import DataError

_WORDS = frozenset("tokens words token word 词 字 分词 词语 单词".split())
_TAGS = frozenset("tags nertags postags labels tag ner pos upos label 标签 标注 词性".split())

_ITEM = r"""(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")"""
_ITEMS, _NUMBERS = re.compile(_ITEM), re.compile(r"\d+")
_LIST = re.compile(rf"\[{_ITEM}(?:(?:,\s*|\s+){_ITEM})*\]")
"""A list of strings as Python, JSON or NumPy print it, the last without commas."""
_PRINTED = re.compile(r"\[['\"].*['\"]\]", re.DOTALL)
"""What is meant as one: no text that is cut at its spaces looks so."""
_PRINTED_NUMBERS = re.compile(r"\[\d+(?:(?:,\s*|\s+)\d+)*\]")


class Sentence(NamedTuple):
    """Words and, where they are known, the tag of each."""

    words: list[str]
    tags: list[str] | None


def find_tagged_columns(
    table: Table, *, words: str | None = None, tags: str | None = None, need_tags: bool = True
) -> Columns:
    """The columns of the words and of the tags.

    Args:
        table: The table.
        words: The column of the words, if the user named it.
        tags: That of the tags.
        need_tags: Whether a table without tags is an error.

    Raises:
        DataError: A named column is missing; no column, or more than one, can be it.
    """
    for name in filter(None, (words, tags)):
        check_present(name, table)
    if words is None:
        words = _one(table, _WORDS, "--text", [tags])
    if tags is None and (need_tags or _called(table, _TAGS, [words])):
        tags = _one(table, _TAGS, "--label", [words])
    return Columns(words, answer=tags)


def holds_words(table: Table) -> bool:
    """Whether a column is called as columns of words are."""
    return bool(_called(table, _WORDS, []))


def _called(table: Table, usual: frozenset[str], taken: Sequence[str | None]) -> list[str]:
    free = [name for name in table.frame.columns if name not in taken]
    return [name for name in free if names.plain(name) in usual]


def _one(table: Table, usual: frozenset[str], option: str, taken: Sequence[str | None]) -> str:
    found = _called(table, usual, taken)
    if len(found) == 1:
        return found[0]
    if found:
        raise DataError(
            "{file}: the columns {columns} could all be meant; choose one with {option} COLUMN.",
            file=table.path,
            columns=", ".join(found),
            option=option,
        )
    raise DataError(
        "{file} has no column called {usual} or the like among {columns}; name it with {option} "
        "COLUMN.",
        file=table.path,
        usual="tokens" if usual is _WORDS else "tags",
        columns=", ".join(table.frame.columns),
        option=option,
    )


def sentences_of(table: Table, columns: Columns) -> list[Sentence]:
    """Every row as words and tags; a cell that is a text is cut at its spaces.

    A list that a program has printed into such a cell is read as that list.

    Raises:
        DataError: A row has another number of tags than of words, no word, or an empty one, or
            a printed list cannot be read; the sentence names the row.
    """
    words = _lists(table, columns.text)
    tags = _lists(table, columns.answer, numbers=True) if columns.answer else None
    for i, row in enumerate(table.rows):
        if not words[i] or not all(word.strip() for word in words[i]):
            raise DataError(
                "{file}, row {row}: a word is missing or empty in {column}; fill it in, or delete "
                "the row.",
                file=table.path,
                row=row,
                column=columns.text,
            )
        if tags is None:
            continue
        if len(tags[i]) != len(words[i]) or not all(tags[i]):
            raise DataError(
                "{file}, row {row}: there are {words} words and {tags} tags; give each word one.",
                file=table.path,
                row=row,
                words=len(words[i]),
                tags=sum(map(bool, tags[i])),
            )
    return [Sentence(found, tags[i] if tags else None) for i, found in enumerate(words)]


def _lists(table: Table, column: str, *, numbers: bool = False) -> list[list[str]]:
    """A column's lists; with ``numbers``, printed ones may be of numbers."""
    series = table.frame[column]
    if series.dtype == pl.String:
        cells = zip(table.rows, series.to_list(), strict=True)
        return [_words_of(cell or "", numbers, table, row, column) for row, cell in cells]
    if not isinstance(series.dtype, pl.List) or _is_nested(series.dtype):
        raise DataError(
            "{file}: the column {column} holds objects, not lists of words; name another one.",
            file=table.path,
            column=column,
        )
    return [[_plain(item) for item in cell or ()] for cell in series.to_list()]


def _words_of(cell: str, numbers: bool, table: Table, row: int, column: str) -> list[str]:
    text = cell.strip()
    if numbers and _PRINTED_NUMBERS.fullmatch(text):
        return _NUMBERS.findall(text)
    if not _PRINTED.fullmatch(text):
        return text.split()
    try:
        return _strings(text)
    except (ValueError, SyntaxError):
        raise DataError(
            "{file}, row {row}: {column} looks like a printed list, but is none of strings; write "
            "spaces between the words, or lists in jsonl.",
            file=table.path,
            row=row,
            column=column,
        ) from None


def _strings(printed: str) -> list[str]:
    """The strings of a printed list.

    Raises:
        ValueError: It is none.
        SyntaxError: A string in it is none.
    """
    if not _LIST.fullmatch(printed):
        raise ValueError(printed)
    try:
        return list(map(str, json.loads(printed)))
    except ValueError:
        return [str(ast.literal_eval(item)) for item in _ITEMS.findall(printed)]


def _plain(item: Any) -> str:
    return "" if item is None else str(item)


def _is_nested(kind: pl.List) -> bool:
    inner = kind.inner
    return isinstance(inner, pl.DataType) and inner.is_nested()
