"""jsonl, json and txt: one record a line, a list of records, one text a line."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from mason.data.json_values import check_record, has_half_characters, kind, parse
from mason.data.parts import Parts, text_frame
from mason.data.squad import is_squad, read_squad
from mason.errors import DataError


def read_lines(text: str, path: Path) -> Parts:
    """A column ``text`` of the lines that are not blank."""
    kept = [(row, line) for row, line in _lines(text) if line.strip()]
    return Parts(text_frame({"text": [line for _, line in kept]}), [row for row, _ in kept], "txt")


def read_jsonl(text: str, path: Path) -> Parts:
    """A record for each line that is not blank.

    Raises:
        DataError: a line is not JSON or not an object, a key stands twice, a value is not a
            number, or a column has values of different kinds.
    """
    kept = [(row, parse(line, path, row)) for row, line in _lines(text) if line.strip()]
    rows = [row for row, _ in kept]
    return Parts(_frame([record for _, record in kept], rows, text, path), rows, "jsonl")


def read_json(text: str, path: Path) -> Parts:
    """The records of a list, or of the list ``data`` in an object; SQuAD's as questions.

    A file with an object a line is jsonl by another name, and read as such.

    Raises:
        DataError: as for `read_jsonl`, or the file is neither.
    """
    lines = (line for _, line in _lines(text) if line.strip())
    if text.lstrip().startswith("{") and all(_is_object(next(lines, "")) for _ in range(2)):
        return read_jsonl(text, path)
    value = parse(text, path, None)
    if isinstance(value, dict) and isinstance(value.get("data"), list):
        value = value["data"]
    if not isinstance(value, list):
        raise DataError(
            "{file} is not a list of records; write [{{...}}, {{...}}], or one record a line.",
            file=path,
        )
    if is_squad(value):
        return read_squad(value, path)
    rows = range(1, len(value) + 1)
    return Parts(_frame(value, rows, text, path), rows, "json")


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines as editors count them; str.splitlines would also break at U+2028 and others."""
    return enumerate(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), 1)


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _frame(records: Sequence[Any], rows: Sequence[int], text: str, path: Path) -> pl.DataFrame:
    half = has_half_characters(text)
    for row, record in zip(rows, records, strict=True):
        check_record(record, path, row, half=half)
    names = dict.fromkeys(name for record in records for name in record)
    return pl.DataFrame(
        [_column(name, [r.get(name) for r in records], rows, path) for name in names]
    )


def _column(name: str, values: list[Any], rows: Sequence[int], path: Path) -> pl.Series:
    """A column of strings, of lists or of objects."""
    nested = [isinstance(v, dict | list) for v in values if v is not None]
    if any(nested) and not all(nested):
        odd = sum(nested) * 2 <= len(nested)  # which kind is the exception
        first = next(
            i for i, v in enumerate(values) if v is not None and isinstance(v, dict | list) == odd
        )
        raise _mixed(name, values[first], rows[first], path)
    if any(nested):
        return _nested(name, values, rows, path)
    return pl.Series(name, [_scalar(v) for v in values], dtype=pl.String)


def _nested(name: str, values: list[Any], rows: Sequence[int], path: Path) -> pl.Series:
    """A column of lists or objects; refused where one type for all would change a value."""
    if _holds_turns(values):
        # One type for all would give every object the keys of the others, deep within them too:
        # a call of a tool would gain arguments that nobody wrote.
        return pl.Series(name, values, dtype=pl.Object)
    try:
        column = pl.from_dicts([{name: v} for v in values], infer_schema_length=None)[name]
        kept = column.to_list()
    except (TypeError, pl.exceptions.PolarsError):
        kept = [None] * len(values)
    for value, after, row in zip(values, kept, rows, strict=True):
        if not _is_same(value, after):
            raise _mixed(name, value, row, path)
    return column


def _holds_turns(values: list[Any]) -> bool:
    """Whether all values are lists of objects, such as the turns of a conversation."""
    lists = [value for value in values if value is not None]
    items = [item for value in lists if isinstance(value, list) for item in value]
    is_lists = all(isinstance(value, list) for value in lists)
    return is_lists and bool(items) and all(isinstance(item, dict) for item in items)


def _is_same(value: object, after: object) -> bool:
    """Whether ``after`` is ``value``, with null where an object lacks a key."""
    if isinstance(value, dict) and isinstance(after, dict):
        return set(value) <= set(after) and all(_is_same(value.get(k), v) for k, v in after.items())
    if isinstance(value, list) and isinstance(after, list):
        return len(value) == len(after) and all(map(_is_same, value, after))
    return value == after


def _mixed(name: str, value: object, row: int, path: Path) -> DataError:
    return DataError(
        "{file}, row {row}: {column} is {kind}, unlike in other rows; give every row the same "
        "kind of value.",
        file=path,
        row=row,
        column=name,
        kind=kind(value),
    )


def _scalar(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value or None
    return json.dumps(value)
