"""JSON read strictly: no key twice, no NaN, no half characters, no bottomless nesting."""

import json
import re
from pathlib import Path
from typing import Any

from mason.errors import DataError
from mason.language import say

MAX_DEPTH = 64

_FIRST, _SECOND = r"\\u[dD][89abAB]\w\w", r"\\u[dD][c-fC-F]\w\w"
_HALF = re.compile(f"{_FIRST}(?!{_SECOND})|(?<!{_FIRST}){_SECOND}")
"""One of the two escapes that spell a character beyond U+FFFF, without the other."""
_SPACE = re.compile(r"[\s,]*")


class _RepeatedKeyError(ValueError):
    """A key that stands twice in one object."""


class _ConstantError(ValueError):
    """NaN or Infinity."""


def parse(text: str, path: Path, row: int | None) -> Any:
    """The value that ``text`` spells.

    Args:
        text: one line, or a whole file.
        path: the file, for errors.
        row: the line's number, or None for a whole file that is a list of records.

    Raises:
        DataError: the text is not JSON, or not strictly so; the sentence names the row.
    """
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise DataError(
            "{file}, line {line}: this is not JSON ({reason}, character {column}); correct the "
            "line or delete it.",
            file=path,
            line=row or error.lineno,
            reason=error.msg,
            column=error.colno,
        ) from None
    except RecursionError:
        raise _too_deep(path, row or _faulty_record(text)) from None
    except _RepeatedKeyError as error:
        raise DataError(
            "{file}, row {row}: the key {key} stands twice in one record; delete one of the two.",
            file=path,
            row=row or _faulty_record(text),
            key=error,
        ) from None
    except _ConstantError as error:
        raise DataError(
            "{file}, row {row}: {value} is not a JSON number; write null, or delete the row.",
            file=path,
            row=row or _faulty_record(text),
            value=error,
        ) from None
    except ValueError:  # Python's guard against numbers that take quadratic time to read
        raise DataError(
            "{file}, row {row}: a number has thousands of digits; shorten it.",
            file=path,
            row=row or _faulty_record(text),
        ) from None


def has_half_characters(text: str) -> bool:
    """Whether `check_record` must look for half characters; a quick look at a whole file."""
    return _HALF.search(text) is not None


def check_record(record: object, path: Path, row: int, *, half: bool) -> None:
    """Refuse what is no record, is too deep, or, where ``half``, holds half characters."""
    if not isinstance(record, dict):
        raise DataError(
            '{file}, row {row}: this is {kind}, not a record; write {{"text": ...}}.',
            file=path,
            row=row,
            kind=kind(record),
        )
    if half and not _is_encodable(record):
        raise DataError(
            "{file}, row {row}: there is half of a character, such as \\ud83d alone; write the "
            "character itself.",
            file=path,
            row=row,
        )
    if any(isinstance(value, dict | list) for value in record.values()) and _is_deep(record):
        raise _too_deep(path, row)


def kind(value: object) -> str:
    """What JSON calls a value, in the user's language."""
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


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise _RepeatedKeyError(next(key for key in keys if keys.count(key) > 1))
    return found


def _refuse(name: str) -> None:
    raise _ConstantError(name)


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_refuse)


def _faulty_record(text: str) -> int:
    """The number of the first record of a list that cannot be read."""
    place, record = text.find("[") + 1, 0
    while True:
        record += 1
        space = _SPACE.match(text, place)
        try:
            _, place = _DECODER.raw_decode(text, space.end() if space else place)
        except (ValueError, RecursionError):
            return record


def _is_deep(record: dict[str, Any]) -> bool:
    """Whether lists and objects nest too deep; level by level, without recursion."""
    level: list[dict[str, Any] | list[Any]] = [record]
    for _ in range(MAX_DEPTH):
        inside = (c for v in level for c in (v.values() if isinstance(v, dict) else v))
        level = [c for c in inside if isinstance(c, dict | list)]
    return bool(level)


def _is_encodable(value: object) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _too_deep(path: Path, row: int) -> DataError:
    return DataError(
        "{file}, row {row}: the record nests more than {limit} levels deep; flatten it.",
        file=path,
        row=row,
        limit=MAX_DEPTH,
    )
