"""Questions with the texts that answer them, from any table that holds them."""

import re
from dataclasses import dataclass
from typing import Any, NamedTuple

from mason.data import column_names as names
from mason.data.columns import check_present
from mason.data.tables import Table
from mason.errors import DataError

_QUESTION = frozenset("question query 问题 问句".split())
_CONTEXT = frozenset("context passage paragraph document 上下文 文章 段落 原文".split())
_ANSWER = frozenset("answer answers 答案 回答".split())
_START = frozenset("answerstart start 起点".split())
_WHOLE = re.compile(r"([0-9]{1,15})(?:\.0*)?")
"""A number of characters; pandas writes it with ".0" where others are missing."""


@dataclass(frozen=True)
class QuestionColumns:
    """Names of columns; None where a table has none."""

    question: str
    context: str
    answer: str | None = None
    start: str | None = None


Span = tuple[int, int]
"""First character, and last character + 1, of an answer in its text."""


class Question(NamedTuple):
    """A question, the text to find its answer in, and where the right answers stand.

    No answers: the text holds none. None: nobody knows.
    """

    question: str
    context: str
    answers: tuple[Span, ...] | None = None

    @property
    def texts(self) -> list[str]:
        """The right answers."""
        return [self.context[start:end] for start, end in self.answers or ()]


def find_question_columns(
    table: Table,
    *,
    question: str | None = None,
    context: str | None = None,
    answer: str | None = None,
    need_answer: bool = True,
) -> QuestionColumns:
    """The columns of the question, its text and the answer.

    Args:
        table: The table.
        question: The question's column, if the user named it (``--pair``).
        context: That of the text (``--text``).
        answer: That of the answer (``--label``).
        need_answer: Whether a table without answers is an error.

    Raises:
        DataError: A named column is missing, or one cannot be found.
    """
    for name in filter(None, (question, context, answer)):
        check_present(name, table)
    question = question or _find(table, _QUESTION, "question", "--pair")
    context = context or _find(table, _CONTEXT, "context", "--text")
    if answer is None and (need_answer or _called(table, _ANSWER)):
        answer = _find(table, _ANSWER, "answer", "--label")
    return QuestionColumns(question, context, answer, find_starts(table))


def find_starts(table: Table) -> str | None:
    """The column that says where answers begin, where there is just one of a usual name."""
    found = _called(table, _START)
    return found[0] if len(found) == 1 else None


def _called(table: Table, usual: frozenset[str]) -> list[str]:
    return [name for name in table.frame.columns if names.plain(name) in usual]


def _find(table: Table, usual: frozenset[str], what: str, option: str) -> str:
    found = _called(table, usual)
    if len(found) == 1:
        return found[0]
    raise DataError(
        "{file}: which column holds the {what} is not clear from the names {columns}; name it with "
        "{option} COLUMN.",
        file=table.path,
        what=what,
        columns=", ".join(table.frame.columns),
        option=option,
    )


def questions_of(table: Table, columns: QuestionColumns) -> list[Question]:
    """Every row as a question; an answer without a place is looked for in its text.

    Raises:
        DataError: A row lacks its question or text, or its answer is not in the text at the place
            it says, or that is no number; the sentence names the row.
    """
    frame = table.frame
    asked, contexts = frame[columns.question].to_list(), frame[columns.context].to_list()
    cells = frame[columns.answer].to_list() if columns.answer else [None] * len(table)
    starts = frame[columns.start].to_list() if columns.start else [None] * len(table)
    found = []
    for i, row in enumerate(table.rows):
        question, context = asked[i], contexts[i]
        if not isinstance(question, str) or not isinstance(context, str) or not context.strip():
            raise DataError(
                "{file}, row {row}: the question or its text is missing; fill it in, or delete the "
                "row.",
                file=table.path,
                row=row,
            )
        answers = _answers(cells[i], starts[i]) if columns.answer else None
        placed = None
        if answers is not None:
            column = columns.start or columns.answer or ""
            placed = tuple(_placed(answer, context, table, row, column) for answer in answers)
        found.append(Question(question, context, placed))
    return found


def _answers(cell: Any, start: Any) -> list[tuple[Any, Any]]:
    """Texts and starts, however the cell says them; a start may be missing."""
    if isinstance(cell, dict):  # the form of the hub: two lists
        texts = cell.get("text") or []
        return list(zip(texts, cell.get("answer_start") or [None] * len(texts), strict=False))
    if isinstance(cell, list):
        return [
            (item.get("text"), item.get("answer_start")) if isinstance(item, dict) else (item, None)
            for item in cell
        ]
    return [(cell, start)] if cell else []


def _placed(answer: tuple[Any, Any], context: str, table: Table, row: int, column: str) -> Span:
    text, start = answer
    given = str(start).strip() if start is not None else ""
    whole = _WHOLE.fullmatch(given)
    if given and not whole:
        raise DataError(
            "{file}, row {row}, column {column}: the start {start!r} is no number of characters; "
            "correct it, or leave it empty to look for the answer.",
            file=table.path,
            row=row,
            column=column,
            start=start,
        )
    place = int(whole[1]) if whole else context.find(str(text))
    if not text or place < 0 or not context.startswith(str(text), place):
        raise DataError(
            "{file}, row {row}: the answer {answer!r} does not stand in its text{where}; an answer "
            "is a part of the text, letter by letter, and its start is counted in characters.",
            file=table.path,
            row=row,
            answer=text,
            where=f" ({place})" if given else "",
        )
    return place, place + len(str(text))
