"""jsonl, json and txt: one record a line, a list of records, one text a line."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from mason.data.parts import Parts, text_frame
from mason.errors import DataError
from mason.language import say

MAX_DEPTH = 64


class _RepeatedKeyError(ValueError):
    """A key that stands twice in one object."""


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
    kept = [(row, _parse(line, path, row)) for row, line in _lines(text) if line.strip()]
    records = _objects(kept, path)
    rows = [row for row, _ in kept]
    return Parts(_frame(records, rows, path), rows, "jsonl")


def read_json(text: str, path: Path) -> Parts:
    """The records of a list, or of the list ``data`` in an object.

    A file with an object a line is jsonl by another name, and read as such.

    Raises:
        DataError: as for `read_jsonl`, or the file is neither.
    """
    lines = (line for _, line in _lines(text) if line.strip())
    if text.lstrip().startswith("{") and all(_is_object(next(lines, "")) for _ in range(2)):
        return read_jsonl(text, path)
    value = _parse(text, path, None)
    if isinstance(value, dict) and isinstance(value.get("data"), list):
        value = value["data"]
    if not isinstance(value, list):
        raise DataError(
            "{file} is not a list of records; write [{{...}}, {{...}}], or one record a line.",
            file=path,
        )
    records = _objects(list(enumerate(value, 1)), path)
    rows = range(1, len(records) + 1)
    return Parts(_frame(records, rows, path), rows, "json")


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines as editors count them; str.splitlines would also break at U+2028 and others."""
    return enumerate(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), 1)


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _parse(text: str, path: Path, row: int | None) -> Any:
    """The value ``text`` spells; ``row`` is its line, or None if it is the whole file."""
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        raise DataError(
            "{file}, row {row}: this is not JSON ({reason}, character {column}); correct the "
            "line or delete it.",
            file=path,
            row=row or error.lineno,
            reason=error.msg,
            column=error.colno,
        ) from None
    except RecursionError:
        raise _too_deep(path, row) from None
    except _RepeatedKeyError as error:
        raise DataError(
            "{file}, row {row}: the key {key} stands twice in one record; delete one of the two.",
            file=path,
            row=row or _row_of(text, f'"{error}"'),
            key=error,
        ) from None
    except ValueError as error:
        raise DataError(
            "{file}, row {row}: {value} is not a JSON number; write null, or delete the row.",
            file=path,
            row=row or _row_of(text, str(error)),
            value=error,
        ) from None


def _row_of(text: str, found: str) -> int:
    """The line of a json file on which ``found`` stands for the first time."""
    return text.count("\n", 0, max(0, text.find(found))) + 1


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise _RepeatedKeyError(next(key for key in keys if keys.count(key) > 1))
    return found


def _refuse(name: str) -> None:
    raise ValueError(name)


def _objects(records: Sequence[tuple[int, Any]], path: Path) -> list[dict[str, Any]]:
    for row, record in records:
        if not isinstance(record, dict):
            raise DataError(
                '{file}, row {row}: this is {kind}, not a record; write {{"text": ...}}.',
                file=path,
                row=row,
                kind=_kind(record),
            )
        if any(isinstance(value, dict | list) for value in record.values()):
            _check_depth(record, path, row)
    return [record for _, record in records]


def _check_depth(record: dict[str, Any], path: Path, row: int) -> None:
    depth = 0
    level: list[dict[str, Any] | list[Any]] = [record]
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            raise _too_deep(path, row)
        inside = (c for v in level for c in (v.values() if isinstance(v, dict) else v))
        level = [c for c in inside if isinstance(c, dict | list)]


def _too_deep(path: Path, row: int | None) -> DataError:
    return DataError(
        "{file}, row {row}: the record nests more than {limit} levels deep; flatten it.",
        file=path,
        row=row or 1,
        limit=MAX_DEPTH,
    )


def _frame(records: Sequence[dict[str, Any]], rows: Sequence[int], path: Path) -> pl.DataFrame:
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
    try:
        if any(nested):
            return _nested(name, values, rows, path)
        return pl.Series(name, [_scalar(v) for v in values], dtype=pl.String)
    except UnicodeEncodeError:
        first = next(i for i, v in enumerate(values) if not _is_encodable(v))
        raise DataError(
            "{file}, row {row}: {column} holds half of a character (a lone surrogate such as "
            "\\ud83d); write the character itself.",
            file=path,
            row=rows[first],
            column=name,
        ) from None


def _nested(name: str, values: list[Any], rows: Sequence[int], path: Path) -> pl.Series:
    """A column of lists or objects; refused where one type for all would change a value."""
    try:
        column = pl.from_dicts([{name: v} for v in values], infer_schema_length=None)[name]
        kept = column.to_list()
    except (TypeError, pl.exceptions.PolarsError):
        kept = [None] * len(values)
    for value, after, row in zip(values, kept, rows, strict=True):
        if not _is_same(value, after):
            raise _mixed(name, value, row, path)
    return column


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
        kind=_kind(value),
    )


def _scalar(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value or None
    return json.dumps(value)


def _is_encodable(value: object) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _kind(value: object) -> str:
    match value:
        case str():
            return say("a string")
        case bool():
            return say("a boolean")
        case int() | float():
            return say("a number")
        case list():
            return say("a list")
        case dict():
            return say("an object")
    return "null"
