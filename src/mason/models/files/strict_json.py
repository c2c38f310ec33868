"""JSON as a model's folder may hold it: small, shallow, and each key once.

A reader that keeps the last of two equal keys and a checker that keeps the first see
two different files (the safetensors case is in RELIABILITY §1.6), so both are refused.
"""

import json
from pathlib import Path
from typing import Any

from mason.errors import CheckpointError

MAX_BYTES = 16 * 2**20
MAX_DEPTH = 64


def read_json(path: Path, *, max_bytes: int = MAX_BYTES) -> dict[str, Any]:
    """The JSON object in ``path``.

    Raises:
        CheckpointError: the file is too large or `parse_json` refuses its text.
    """
    size = path.stat().st_size
    if size > max_bytes:
        raise CheckpointError(
            "{file}: {size} bytes is more than the {limit} bytes such a file may have; "
            "it is not what its name says.",
            file=path,
            size=size,
            limit=max_bytes,
        )
    # Notepad puts a byte order mark before JSON; it changes nothing.
    return parse_json(path.read_bytes().removeprefix(b"\xef\xbb\xbf"), path)


def parse_json(text: bytes, file: object) -> dict[str, Any]:
    """The JSON object that ``text`` spells; ``file`` names it in an error.

    Raises:
        CheckpointError: not UTF-8, not JSON (NaN and Infinity are not), a key twice in one
            object, nested deeper than `MAX_DEPTH`, not an object at the top, or with a text that
            is none.
    """
    try:
        value = json.loads(
            text.decode("utf-8"), object_pairs_hook=unique_keys, parse_constant=refuse_constant
        )
    except RepeatedKeyError as repeated:
        raise CheckpointError(
            "{file}: the key {key} stands twice in one object; delete one of the two.",
            file=file,
            key=repr(repeated.args[0]),
        ) from None
    except RecursionError:
        raise _too_deep(file) from None
    except ValueError as error:
        raise CheckpointError(
            "{file} is not JSON ({reason}); fetch the file again.", file=file, reason=error
        ) from None
    if not isinstance(value, dict):
        raise CheckpointError("{file} is not a JSON object; fetch the file again.", file=file)
    if depth_of(value) > MAX_DEPTH:
        raise _too_deep(file)
    if b"\\u" in text and not _can_be_written(value):
        raise CheckpointError(
            "{file} holds half of a surrogate pair, which is no character; fetch the file again.",
            file=file,
        )
    return value


def _can_be_written(value: object) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


class RepeatedKeyError(ValueError):
    """A key stands twice in one object; the argument names it."""


def unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """What ``json.loads`` makes objects of, so that no key stands twice.

    Raises:
        RepeatedKeyError: One does.
    """
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        raise RepeatedKeyError(next(k for k, _ in pairs if k in seen or seen.add(k)))  # type: ignore[func-returns-value]
    return found


def refuse_constant(name: str) -> None:
    """What ``json.loads`` calls for NaN and Infinity.

    Raises:
        ValueError: Always.
    """
    raise ValueError(f"{name} is not a JSON number")


def depth_of(value: object) -> int:
    """How many lists and objects enclose the innermost value; level by level, no recursion."""
    depth, level = 0, [value]
    while level := [v for v in level if isinstance(v, dict | list)]:
        depth += 1
        level = [c for v in level for c in (v.values() if isinstance(v, dict) else v)]
    return depth


def _too_deep(file: object) -> CheckpointError:
    return CheckpointError(
        "{file} nests more than {limit} levels deep; it is not what its name says.",
        file=file,
        limit=MAX_DEPTH,
    )
