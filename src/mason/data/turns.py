"""The turns of one conversation: who may speak, and what a turn must have."""

import json
from typing import Any

from mason.data.json_values import kind
from mason.data.tables import Table
from mason.errors import DataError

Turn = dict[str, Any]
"""``role`` and ``content``, and what else a chat template may read, such as ``tool_calls``."""
ROLES = ("system", "developer", "user", "assistant", "tool")
_CALLED = {
    **{role: role for role in ROLES},
    **dict.fromkeys(("human", "用户", "人"), "user"),
    **dict.fromkeys(("gpt", "chatgpt", "bing", "bard", "model", "bot", "助手"), "assistant"),
    "系统": "system",
}


def flat_turns(cell: Any) -> Any:
    """A cell as it is, but JSON of a list as that list: tables of text have no other way."""
    if isinstance(cell, str) and cell.lstrip().startswith("["):
        try:
            return json.loads(cell)
        except (ValueError, RecursionError):
            return cell
    return cell


def turns_of(cell: Any, table: Table, row: int, *, sharegpt: bool = False) -> list[Turn]:
    """A list of turns, each with a known role and something said; none for an empty cell.

    Args:
        cell: The list, or JSON of it; parquet has null where an item lacks a key.
        table: For errors.
        row: Its number in the file.
        sharegpt: Whether the keys are ``from`` and ``value``.

    Raises:
        DataError: A turn is not as it must be; the sentence names row and turn.
    """
    cell = flat_turns(cell)
    if cell is None:
        return []
    if not isinstance(cell, list) or not cell:
        raise DataError(
            "{file}, row {row}: the conversation is {kind} without turns; write a list of "
            "{example}, or delete the row.",
            file=table.path,
            row=row,
            kind=kind(cell),
            example='{"from", "value"}' if sharegpt else '{"role", "content"}',
        )
    keys = ("from", "value") if sharegpt else ("role", "content")
    return [_turn(item, keys, table, row, number) for number, item in enumerate(cell, start=1)]


def _turn(item: Any, keys: tuple[str, str], table: Table, row: int, number: int) -> Turn:
    values = item if isinstance(item, dict) else {}
    told = {key: value for key, value in values.items() if value is not None}
    wanted = keys[:1] if told.get("tool_calls") else keys
    missing = next((key for key in wanted if key not in told), None)
    if missing:
        raise DataError(
            "{file}, row {row}: turn {number} has no {key}; give every turn {keys}, or delete the "
            "row.",
            file=table.path,
            row=row,
            number=number,
            key=missing,
            keys=", ".join(keys),
        )
    role, said = told.pop(keys[0]), told.pop(keys[1], "")
    known = _CALLED.get(str(role).strip().lower())
    if known is None:
        raise DataError(
            "{file}, row {row}: turn {number} has the role {role}, and known are {known}; correct "
            "it, or delete the row.",
            file=table.path,
            row=row,
            number=number,
            role=repr(role),
            known=", ".join(_CALLED),
        )
    if not isinstance(said, str) or (not said.strip() and not told.get("tool_calls")):
        raise DataError(
            "{file}, row {row}: what is said in turn {number} is empty or no text; fill it in, or "
            "delete the row.",
            file=table.path,
            row=row,
            number=number,
        )
    return {"role": known, "content": said, **told}


def one_turn(role: str, said: Any, table: Table, row: int, *, column: str | None = None) -> Turn:
    """A turn from a column of texts.

    Raises:
        DataError: There is no text.
    """
    if not isinstance(said, str) or not said.strip():
        raise DataError(
            "{file}, row {row}: the column {column} is empty or no text; fill it in, or delete the "
            "row.",
            file=table.path,
            row=row,
            column=column or role,
        )
    return {"role": role, "content": said}
