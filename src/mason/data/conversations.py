"""Conversations from any table that holds them, in the forms people have them in.

``messages``: a list of ``{role, content}`` (OpenAI). ``sharegpt``: a list of ``{from, value}``.
``alpaca``: instruction, input, output, perhaps system and history. ``prompt/completion``: two
texts, or two lists of turns. Which one it is, is read from the table or asked; a row that is not
as it must be is an error with its number, for nothing is left out in silence.
"""

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from mason.data import column_names as names
from mason.data.columns import check_present
from mason.data.tables import Table
from mason.data.turns import Turn, flat_turns, one_turn, turns_of
from mason.errors import DataError

CONVERSATION, TURNS = "conversation", "turns"
"""The columns of an arranged table: what a person reads, and the same as JSON."""
_ALPACA = (("instruction", "output"), ("instruction", "response"), ("指令", "输出"))
_PROMPTS = (("prompt", "completion"), ("prompt", "response"), ("提示", "回答"))
_INPUT, _TOOLS = ("input", "输入"), ("tools", "工具")
_SYSTEM = ("system", "systemprompt", "系统", "系统提示")
_NO_TOOLS: tuple[Any, ...] = (None, "", "null", "{}", [], {})


@dataclass(frozen=True)
class Layout:
    """One way to read a table.

    Attributes:
        name: ``messages``, ``sharegpt``, ``alpaca`` or ``prompt/completion``.
        text: The column of the turns, or of what is asked.
        target: The column of the answer, where it is another.
    """

    name: str
    text: str
    target: str | None = None

    def __str__(self) -> str:
        columns = self.text if self.target is None else f"{self.text} → {self.target}"
        return f"{self.name}: {columns}"


def flat_conversations(table: Table, *, text: str | None, target: str | None) -> Table:
    """The table with the columns ``conversation`` and ``turns`` beside its own.

    Args:
        table: As it was read.
        text: The column the user named for the turns or for what is asked.
        target: The column the user named for the answers.

    Raises:
        DataError: It is not clear how to read it, or a row is faulty; the sentence names the row.
    """
    layout = find_layout(table, text=text, target=target)
    read = _READERS[layout.name](table, layout)
    found = [read(i, row) for i, row in enumerate(table.rows)]
    found = with_systems(table, found, taken=(layout.text, layout.target))
    shown = ["\n".join(f"{t['role']}: {t.get('content') or ''}" for t in turns) for turns in found]
    kept = [json.dumps(turns, ensure_ascii=False) if turns else None for turns in found]
    frame = table.frame.with_columns(
        pl.Series(CONVERSATION, shown, dtype=pl.String), pl.Series(TURNS, kept, dtype=pl.String)
    )
    return replace(table, frame=frame, layout=str(layout))


def find_layout(table: Table, *, text: str | None, target: str | None) -> Layout:
    """How the table is to be read.

    Raises:
        DataError: A named column is missing; none or more than one way fits.
    """
    for name in filter(None, (text, target)):
        check_present(name, table)
    fitting = [
        layout
        for layout in _ways(table)
        if text in (None, layout.text) and target in (None, layout.target)
    ]
    if len(fitting) == 1:
        return fitting[0]
    if text and target:
        return Layout("prompt/completion", text, target)
    if fitting:
        raise DataError(
            "{file} can be read as conversations in more than one way ({ways}); name the column of "
            "the turns with --text COLUMN, or what is asked and answered with --text COLUMN "
            "--target COLUMN.",
            file=table.path,
            ways="; ".join(map(str, fitting)),
        )
    raise DataError(
        "{file}: among {columns} there are no conversations as messages (role, content), sharegpt "
        "(from, value), alpaca (instruction, output) or prompt and completion; name what is asked "
        "and what is answered with --text COLUMN --target COLUMN.",
        file=table.path,
        columns=", ".join(table.frame.columns),
    )


def _ways(table: Table) -> list[Layout]:
    lists = ((_kind_of(table, column), column) for column in table.frame.columns)
    found = [Layout(kind, column) for kind, column in lists if kind]
    known = {names.plain(column): column for column in table.frame.columns}
    for kind, pairs in (("alpaca", _ALPACA), ("prompt/completion", _PROMPTS)):
        found += [Layout(kind, known[a], known[b]) for a, b in pairs if a in known and b in known]
    sides = {side for one in found if one.target for side in (one.text, one.target)}
    # A list of turns that is one side of a pair is no conversation of its own.
    return [one for one in found if one.target or one.text not in sides]


def _kind_of(table: Table, column: str) -> str | None:
    """Whether a column's cells are lists of turns, by the first that says anything."""
    cells = (flat_turns(cell) for cell in table.frame[column].to_list() if cell)
    first = next(cells, None)
    if not isinstance(first, list):
        return None
    keys = {key for turn in first if isinstance(turn, dict) for key in turn}
    if names.plain(column) in ("messages", "conversations") and not keys:
        return "messages"  # so that the faulty row is named
    if {"role", "content"} & keys:
        return "messages"
    return "sharegpt" if {"from", "value"} & keys else None


Read = Callable[[int, int], list[Turn]]
"""From a row's place, from 0, and its number in the file to its turns."""


def _lists(table: Table, layout: Layout) -> Read:
    cells = table.frame[layout.text].to_list()
    return lambda i, row: turns_of(cells[i], table, row, sharegpt=layout.name == "sharegpt")


def _alpaca(table: Table, layout: Layout) -> Read:
    assert layout.target is not None
    known = {names.plain(column): column for column in table.frame.columns}
    asked, answers = table.texts(layout.text), table.texts(layout.target)
    inputs = _optional(table, known, _INPUT)
    history = table.frame[known["history"]].to_list() if "history" in known else None

    def read(i: int, row: int) -> list[Turn]:
        given = "\n".join(t for t in (asked[i], inputs[i]) if t and t.strip())
        before = _history(history[i] if history else None, table, row)
        asking = one_turn("user", given, table, row, column=layout.text)
        answer = one_turn("assistant", answers[i], table, row, column=layout.target)
        return [*before, asking, answer]

    return read


def _optional(table: Table, known: dict[str, str], usual: Sequence[str]) -> list[str | None]:
    column = next((known[name] for name in usual if name in known), None)
    return table.texts(column) if column else [None] * len(table)


def with_systems(
    table: Table, found: list[list[Turn]], *, taken: Collection[str | None]
) -> list[list[Turn]]:
    """Conversations that begin with what the column ``system`` says, where there is one.

    Args:
        table: Its rows.
        found: The conversation of each; an empty one stays so.
        taken: Columns that are turns already.

    Raises:
        DataError: A conversation begins with something else of the system, or a row defines
            tools, which are not learned; the sentence names the row.
    """
    known = {names.plain(c): c for c in table.frame.columns if c not in taken}
    systems, tools = (_optional(table, known, usual) for usual in (_SYSTEM, _TOOLS))
    return [
        _with_system(turns, systems[i], tools[i], table, row) if turns else turns
        for i, (row, turns) in enumerate(zip(table.rows, found, strict=True))
    ]


def _with_system(turns: list[Turn], system: Any, tools: Any, table: Table, row: int) -> list[Turn]:
    if flat_turns(tools) not in _NO_TOOLS:
        raise DataError(
            "{file}, row {row}: the column of tools is not empty, and definitions of tools are not "
            "learned from a column; write them into a turn of the system and empty it, or delete "
            "the row.",
            file=table.path,
            row=row,
        )
    if not system:
        return turns
    told = one_turn("system", system, table, row)
    if turns[0]["role"] not in ("system", "developer"):
        return [told, *turns]
    if turns[0]["content"] != told["content"]:
        raise DataError(
            "{file}, row {row}: the conversation begins with a turn of the system, and the column "
            "of the system says something else; delete one of the two.",
            file=table.path,
            row=row,
        )
    return turns


def _history(cell: Any, table: Table, row: int) -> list[Turn]:
    """LLaMA-Factory's: pairs of what was asked and answered before."""
    cell = flat_turns(cell)
    found: list[Turn] = []
    for pair in cell or ():
        if not isinstance(pair, list) or len(pair) != 2:
            raise DataError(
                "{file}, row {row}: history holds something else than pairs of what was asked and "
                "answered; write [[question, answer], …].",
                file=table.path,
                row=row,
            )
        roles = zip(("user", "assistant"), pair, strict=True)
        found += [one_turn(role, said, table, row, column="history") for role, said in roles]
    return found


def _prompts(table: Table, layout: Layout) -> Read:
    assert layout.target is not None
    prompts, answers = (table.frame[c].to_list() for c in (layout.text, layout.target))

    def read(i: int, row: int) -> list[Turn]:
        asked = side_turns(prompts[i], "user", table, row, layout.text)
        answer = side_turns(answers[i], "assistant", table, row, layout.target or "")
        return [*asked, *answer]

    return read


def side_turns(cell: Any, role: str, table: Table, row: int, column: str) -> list[Turn]:
    """One side of a pair: a text said by ``role``, or a list of turns, perhaps as JSON.

    Raises:
        DataError: It is neither, or empty.
    """
    flat = flat_turns(cell)
    if isinstance(flat, list) and (flat is cell or _are_turns(flat)):
        return turns_of(flat, table, row)
    return [one_turn(role, cell, table, row, column=column)]


def _are_turns(items: list[Any]) -> bool:
    """Whether JSON is of turns; "[1, 2, 3]" is an answer like any other."""
    are_objects = bool(items) and all(isinstance(item, dict) for item in items)
    return are_objects and any("role" in item for item in items)


_READERS: dict[str, Callable[[Table, Layout], Read]] = {
    "messages": _lists,
    "sharegpt": _lists,
    "alpaca": _alpaca,
    "prompt/completion": _prompts,
}
