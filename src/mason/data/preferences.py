"""Pairs of answers to a conversation, one better than the other, from the usual tables.

``prompt``, ``chosen`` and ``rejected`` are texts or lists of turns; lists may hold the prompt
once more, and then the column ``prompt`` may be missing.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import polars as pl

from mason.data import column_names as names
from mason.data.columns import check_present
from mason.data.conversations import CONVERSATION, TURNS, side_turns, with_systems
from mason.data.tables import Table
from mason.data.turns import Turn
from mason.errors import DataError

ANSWERS = "answers"
"""The column of both answers, for a person to read."""
_PROMPT = ("prompt", "question", "instruction", "提示", "问题", "指令")
_CHOSEN, _REJECTED = ("chosen", "better", "优选"), ("rejected", "worse", "劣选")


class Sides(NamedTuple):
    """The columns of a preference table, or what stands in them."""

    prompt: Any
    chosen: Any
    rejected: Any

    def __str__(self) -> str:
        answers = f"{self.chosen} > {self.rejected}"
        return f"{self.prompt}: {answers}" if self.prompt else answers


def flat_preferences(
    table: Table, *, prompt: str | None, chosen: str | None, rejected: str | None
) -> Table:
    """The table with ``conversation``, ``answers`` and ``turns`` beside its own columns.

    ``turns`` is JSON of two conversations that differ in their last turn, the better one first.

    Args:
        table: As it was read.
        prompt: The column the user named for what is asked (``--text``).
        chosen: That of the better answer (``--target``).
        rejected: That of the worse answer (``--pair``).

    Raises:
        DataError: It is not clear which columns they are, or a row is faulty; the sentence names
            the row.
    """
    sides = find_sides(table, prompt=prompt, chosen=chosen, rejected=rejected)
    cells = [table.frame[c].to_list() if c else [None] * len(table) for c in sides]
    rows = zip(table.rows, *cells, strict=True)
    pairs = [_pair(table, sides, row, Sides(*values)) for row, *values in rows]
    both = (with_systems(table, [*side], taken=sides) for side in zip(*pairs, strict=True))
    found = [*zip(*both, strict=True)]
    columns = {
        CONVERSATION: ["\n".join(_line(turn) for turn in better[:-1]) for better, _ in found],
        ANSWERS: [f"{_line(better[-1])}\n{_line(worse[-1])}" for better, worse in found],
        TURNS: [json.dumps(pair, ensure_ascii=False) for pair in found],
    }
    added = [pl.Series(name, values, dtype=pl.String) for name, values in columns.items()]
    return replace(table, frame=table.frame.with_columns(added), layout=str(sides))


def find_sides(
    table: Table, *, prompt: str | None, chosen: str | None, rejected: str | None
) -> Sides:
    """The columns of what is asked and of both answers.

    Raises:
        DataError: A named column is missing, or one cannot be found.
    """
    for name in filter(None, (prompt, chosen, rejected)):
        check_present(name, table)
    better = chosen or _find(table, _CHOSEN, "better answer", "--target")
    worse = rejected or _find(table, _REJECTED, "worse answer", "--pair")
    asked = prompt or _find(table, _PROMPT, "prompt", "--text", optional=True)
    return Sides(asked, better or "", worse or "")


def _find(
    table: Table, usual: Sequence[str], what: str, option: str, *, optional: bool = False
) -> str | None:
    found = [name for name in table.frame.columns if names.plain(name) in usual]
    if len(found) == 1:
        return found[0]
    if optional and not found:
        return None
    raise DataError(
        "{file}: which column holds the {what} is not clear from the names {columns}; name it with "
        "{option} COLUMN.",
        file=table.path,
        what=what,
        columns=", ".join(table.frame.columns),
        option=option,
    )


def _pair(table: Table, sides: Sides, row: int, said: Sides) -> tuple[list[Turn], list[Turn]]:
    """A row's two conversations; ``said`` is what stands in the columns ``sides``."""
    asked = side_turns(said.prompt, "user", table, row, sides.prompt) if sides.prompt else []
    better, worse = (
        _after(asked, side_turns(cell, "assistant", table, row, column))
        for cell, column in ((said.chosen, sides.chosen), (said.rejected, sides.rejected))
    )
    both = (better, worse)
    if not all(len(side) > 1 and side[-1]["role"] == "assistant" for side in both):
        raise DataError(
            "{file}, row {row}: an answer does not end with a turn of the assistant after "
            "something that is asked; correct the row, or delete it.",
            file=table.path,
            row=row,
        )
    if better[:-1] != worse[:-1] or better == worse:
        raise DataError(
            "{file}, row {row}: the two answers have to differ in the last turn and in nothing "
            "before it; correct the row, or delete it.",
            file=table.path,
            row=row,
        )
    return better, worse


def _after(asked: list[Turn], side: list[Turn]) -> list[Turn]:
    """What is asked and an answer, which may hold what is asked once more."""
    return side if side[: len(asked)] == asked else [*asked, *side]


def _line(turn: Turn) -> str:
    return f"{turn['role']}: {turn['content']}"
