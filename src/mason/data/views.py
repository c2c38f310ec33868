"""A split as the doctor sees it: texts, labels, and where each row stands in its file."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mason.data.columns import Columns
from mason.data.findings import Finding, Severity, examples_of
from mason.data.normal_form import normal_form
from mason.data.tables import Table


@dataclass(frozen=True)
class View:
    """The rows of one split.

    ``texts[i]`` is a row's text, or both texts of a pair on two lines; "" where one is
    missing or blank. ``labels[i]``, the label or the text to write, is None where it is
    missing or blank. ``answers[i]`` is JSON of the right answers that are no label, and
    ``others[i]`` of what else makes a row what it is: the text unlike the first, and the text
    behind the gap; None where there is nothing. ``keys[i]`` is the normal form of the text.
    """

    name: str
    file: str
    rows: Sequence[int]
    columns: Columns
    texts: list[str]
    labels: list[str | None]
    answers: list[str | None]
    others: list[str | None]
    keys: list[str]

    def finding(
        self,
        code: str,
        severity: Severity,
        places: Sequence[int],
        *,
        reason: str,
        fix: str,
        column: str | None = None,
        count: int | None = None,
    ) -> Finding:
        """A finding about the rows at ``places``, counted from 0; the first few show it."""
        count = len(places) if count is None else count
        rows = [int(self.rows[place]) for place in places[:3]]
        return Finding(
            code=code,
            severity=severity,
            file=self.file,
            row=rows[0] if rows else None,
            column=column or self.columns.text,
            count=count,
            share=count / len(self.texts) if self.texts else None,
            reason=reason,
            fix=fix,
            examples=examples_of(rows, [self.texts[place] for place in places[:3]]),
        )


def view(name: str, table: Table, columns: Columns) -> View:
    """A table's rows as `View`."""
    texts = [_solid(text) for text in table.texts(columns.text)]
    if columns.pair:
        seconds = map(_solid, table.texts(columns.pair))
        texts = [f"{a}\n{b}" if a and b else "" for a, b in zip(texts, seconds, strict=True)]
    labels: list[str | None] = [None] * len(texts)
    answer = columns.label or columns.target
    if answer:
        labels = [_solid(label) or None for label in table.texts(answer)]
    answers = _cells(table, columns.answer, *columns.answers)
    others = _cells(table, columns.negative, columns.suffix)
    keys = [normal_form(text) for text in texts]
    return View(name, str(table.path), table.rows, columns, texts, labels, answers, others, keys)


def training(views: Mapping[str, View]) -> View | None:
    """The split that is trained on: ``train``, or the one that is still whole."""
    return views.get("train") or views.get("all")


def held_out(views: Mapping[str, View]) -> list[View]:
    """The splits that are not trained on."""
    return [v for v in views.values() if v is not training(views)]


def _cells(table: Table, *columns: str | None) -> list[str | None]:
    """JSON of each row's cells in those of the columns that there are."""
    found = [table.frame[name].to_list() for name in columns if name in table.frame.columns]
    if not found:
        return [None] * len(table)
    rows = zip(*found, strict=True)
    return [json.dumps(row, ensure_ascii=False, default=str) if any(row) else None for row in rows]


def _solid(text: str | None) -> str:
    return text if text and not text.isspace() else ""
