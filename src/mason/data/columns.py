"""Which columns hold the text, the label, the second text and the group.

A name asked for is taken; else a usual name decides; else a shape that only one column has.
What stays open is an error that names the candidates: nothing is guessed.
"""

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import polars as pl

from mason.data import column_names as names
from mason.data.tables import Table
from mason.errors import DataError

_SHAPE_ROWS = 1000
_MAX_CLASSES = 100
YES, NO = frozenset({"1", "1.0", "true", "yes"}), frozenset({"0", "0.0", "false", "no", ""})
"""How a column says that a label is a text's, or not."""
SEPARATORS = (";", "|", ",", "；", "，", "、")
"""What may stand between the labels of a cell, where nobody says."""
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")


@dataclass(frozen=True)
class Columns:
    """Names of columns; None where a table has none."""

    text: str
    pair: str | None = None
    label: str | None = None
    group: str | None = None
    target: str | None = None
    """The text to write, where the answer is a text."""
    suffix: str | None = None
    """The text that follows the one to write, where that is to fill a gap."""
    answer: str | None = None
    """Right answers that are no labels of whole rows: a tag a word, a part of a text, several
    labels."""
    answers: tuple[str, ...] = ()
    """Columns that say yes or no to one label each."""
    negative: str | None = None
    """A text unlike the first one of a pair."""
    separator: str | None = None
    """What stands between several labels in one cell of ``answer``."""
    layout: str | None = None
    """The form in which conversations were found."""


def find_columns(
    table: Table,
    *,
    text: str | None = None,
    label: str | None = None,
    pair: str | None = None,
    group: str | None = None,
    need_label: bool = True,
) -> Columns:
    """Find a table's columns.

    Args:
        table: the table; every split of a data set has the same columns.
        text: the column of the text, if the user named it.
        label: the column of the label, if the user named it.
        pair: the column of the second text of a pair, if the user named it.
        group: the column whose equal values must stay in one split; only ever named.
        need_label: whether a table without a label is an error.

    Raises:
        DataError: a named column is missing or holds lists; no column, or more than one,
            can be the text or the label.
    """
    for name in filter(None, (text, label, pair, group)):
        check_present(name, table)
    if text is None and pair is None:
        text, pair = _usual_pair(table, taken=[label, group])
    if label is None:
        label = _find_label(table, taken=[text, pair, group], need=need_label)
        if not need_label and label is not None and holds_lists(label, table):
            label = None
    if need_label and label is not None and holds_lists(label, table):
        raise DataError(
            "{file}: the column {column} holds lists, so a text has several labels, and one is "
            "asked for; learn them with mason train --task multilabel, or name another column.",
            file=table.path,
            column=label,
        )
    if text is None:
        text = _find_text(table, taken=[label, pair, group])
    for name in filter(None, (text, pair, label, group)):
        check_scalar(name, table)
    return Columns(text, pair, label, group)


def check_present(name: str, table: Table) -> None:
    """Refuse a name that no column has, and say which is nearest.

    Raises:
        DataError: There is no such column.
    """
    if name in table.frame.columns:
        return
    plain = {names.plain(column): column for column in table.frame.columns}
    near = difflib.get_close_matches(names.plain(name), plain, n=1, cutoff=0.5)
    if near:
        raise DataError(
            "{file} has no column {column}; did you mean {near}?",
            file=table.path,
            column=name,
            near=plain[near[0]],
        )
    raise DataError(
        "{file} has no column {column}; its columns are {columns}.",
        file=table.path,
        column=name,
        columns=_listed(table.frame.columns),
    )


def check_shared(columns: Columns, tables: Sequence[Table]) -> None:
    """Refuse a table without a column that was found in the first of them.

    Groups are asked for where rows are divided alone, so that other tables may lack theirs.

    Raises:
        DataError: One lacks a column.
    """
    named = (columns.text, columns.pair, columns.label, columns.target, columns.suffix)
    for name in filter(None, (*named, columns.answer, columns.negative, *columns.answers)):
        for table in tables[1:]:
            if name not in table.frame.columns:
                raise DataError(
                    "{file} has no column {column} as {first} has, but {columns}; fill it in for "
                    "every row, or leave that file out.",
                    file=table.path,
                    column=name,
                    first=tables[0].path,
                    columns=_listed(table.frame.columns),
                )


def holds_lists(name: str, table: Table) -> bool:
    """Whether a column holds lists of texts."""
    return bool(table.frame[name].dtype == pl.List(pl.String))


def find_several_labels(
    table: Table,
    *,
    text: str | None = None,
    label: str | None = None,
    pair: str | None = None,
    group: str | None = None,
    separator: str | None = None,
    need_labels: bool = True,
) -> Columns:
    """Find the columns of a table whose texts have any number of labels.

    They stand in a list, in one cell with a separator between, or in a column of 0 and 1 for
    each label.

    Args:
        table: As for ``find_columns``.
        text: As for ``find_columns``.
        label: The column of the labels, or the columns of 0 and 1 with commas between.
        pair: As for ``find_columns``.
        group: As for ``find_columns``.
        separator: What stands between labels, if the user said so.
        need_labels: Whether a table without labels is an error.

    Raises:
        DataError: It is not clear where the labels are, or what stands between them.
    """
    answers: list[str] = []
    if label is not None and label not in table.frame.columns and "," in label:
        answers, label = [name.strip() for name in label.split(",")], None
    for name in (*answers, *filter(None, (label,))):
        check_present(name, table)
    if label is None and not answers:
        answers = [c for c in _scalars(table, table.frame.columns) if _is_yes_or_no(table, c)]
        answers = [c for c in answers if c not in (text, pair, group)]
        label = _find_label(table, taken=[text, pair, group, *answers], need=False)
        if label is not None or len(answers) < 2:
            answers = []
    rest = [c for c in table.frame.columns if c != label and c not in answers]
    found = find_columns(
        replace(table, frame=table.frame.select(rest)),
        text=text,
        pair=pair,
        group=group,
        need_label=False,
    )
    if label is None and not answers and need_labels:
        raise DataError(
            "{file} has no column of labels among {columns}; name it with --label COLUMN, or "
            "columns of 0 and 1 with --label A,B,C.",
            file=table.path,
            columns=_listed(table.frame.columns),
        )
    if label is not None and not holds_lists(label, table):
        check_scalar(label, table)
        separator = separator or _separator(table, label, need=need_labels)
    else:
        separator = None
    return replace(found, label=None, answer=label, answers=tuple(answers), separator=separator)


def _is_yes_or_no(table: Table, column: str) -> bool:
    values = set(table.frame[column].drop_nulls().to_list())
    return bool(values) and {value.casefold() for value in values} <= YES | NO


def _separator(table: Table, column: str, need: bool) -> str | None:
    """The one mark of the usual ones that stands within cells."""
    cells = table.frame[column].drop_nulls().to_list()
    found = [mark for mark in SEPARATORS if any(mark in cell for cell in cells)]
    if len(found) == 1 or not need:
        return found[0] if found else None
    if found:
        raise DataError(
            "{file}, column {column}: labels could be parted by any of {marks}; say which with "
            "--separator.",
            file=table.path,
            column=column,
            marks="  ".join(found),
        )
    raise DataError(
        "{file}, column {column}: no cell holds more than one label; if they are parted, say by "
        "what with --separator, else use --task classification.",
        file=table.path,
        column=column,
    )


def check_scalar(name: str, table: Table) -> None:
    """Refuse a column of lists or objects.

    Raises:
        DataError: It is one.
    """
    if table.frame[name].dtype != pl.String:
        raise DataError(
            "{file}: the column {column} holds lists or objects, not texts; name another one.",
            file=table.path,
            column=name,
        )


def _usual_pair(table: Table, taken: Sequence[str | None]) -> tuple[str | None, str | None]:
    free = {names.plain(c): c for c in table.frame.columns if c not in taken}
    found = [(free[a], free[b]) for a, b in names.PAIRS if a in free and b in free]
    return found[0] if len(found) == 1 else (None, None)


def _find_label(table: Table, taken: Sequence[str | None], need: bool) -> str | None:
    free = [c for c in table.frame.columns if c not in taken]
    found = _named(free, names.LABEL_FIRST, names.LABEL_FIRST | names.LABEL, names.LABEL_LAST)
    if not found and need:
        texts = _named(free, names.TEXT_FIRST, names.TEXT_FIRST | names.TEXT)
        found = [c for c in _scalars(table, free) if c not in texts and _has_classes(table, c)]
    if len(found) == 1:
        return found[0]
    if found and need:
        raise DataError(
            "{file}: the label could be any of {columns}; name it with --label COLUMN.",
            file=table.path,
            columns=_listed(found),
        )
    if need:
        raise DataError(
            "{file} has no column that looks like a label among {columns}; name it with "
            "--label COLUMN.",
            file=table.path,
            columns=_listed(table.frame.columns),
        )
    return None


def _find_text(table: Table, taken: Sequence[str | None]) -> str:
    free = [c for c in table.frame.columns if c not in taken]
    found = _named(free, names.TEXT_FIRST, names.TEXT_FIRST | names.TEXT, names.TEXT_LAST)
    if not found:
        found = [c for c in _scalars(table, free) if _has_texts(table, c)]
    if len(found) == 1:
        return found[0]
    if found:
        raise DataError(
            "{file}: the text could be any of {columns}; name it with --text COLUMN, and the "
            "second one of a pair with --pair COLUMN.",
            file=table.path,
            columns=_listed(found),
        )
    raise DataError(
        "{file} has no column that looks like text among {columns}; name it with --text COLUMN.",
        file=table.path,
        columns=_listed(table.frame.columns),
    )


def _named(columns: Sequence[str], *tiers: frozenset[str]) -> list[str]:
    """The columns called by a name of the first tier that any is called by.

    Whole names count before last words: ``label`` before ``fine_label``.
    """
    for tier in tiers:
        whole = [c for c in columns if names.plain(c) in tier]
        if whole:
            return whole
    for tier in tiers:
        part = [c for c in columns if set(names.words_of(c)[-1:]) & tier]
        if part:
            return part
    return []


def _scalars(table: Table, columns: Iterable[str]) -> list[str]:
    return [c for c in columns if table.frame[c].dtype == pl.String]


def _has_classes(table: Table, column: str) -> bool:
    """Whether a column has few different short values, each on many rows."""
    values = table.frame[column].drop_nulls()
    num_distinct = values.n_unique()
    few = 2 <= num_distinct <= min(_MAX_CLASSES, max(2, len(values) // 3))
    return few and not _has_texts(table, column)


def _has_texts(table: Table, column: str) -> bool:
    """Whether a column's values are mostly several words, or several Chinese characters."""
    values = [v for v in table.frame[column].head(_SHAPE_ROWS).to_list() if v]
    long = sum(len(v.split()) > 2 or len(_CJK.findall(v)) > 5 for v in values)
    return 2 * long > len(values)


def _listed(columns: Iterable[str]) -> str:
    return ", ".join(columns)
