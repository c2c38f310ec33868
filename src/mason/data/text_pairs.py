"""Which column is read and which is to be written, for tasks that turn a text into a text.

Columns that are named are taken; else two usual names decide. What stays open is an error that
asks: nothing is guessed, least of all the direction of a translation.
"""

from collections.abc import Sequence
from dataclasses import replace

import polars as pl

from mason.data import column_names as names
from mason.data.columns import Columns, check_present, check_scalar
from mason.data.tables import Table
from mason.errors import DataError

_INPUT = ("input", "输入")


def flat_texts(table: Table) -> Table:
    """Two layouts as plain columns: alpaca's, and the nested one of translation sets.

    Alpaca's ``input`` goes on with ``instruction``, on a line of its own, where a row has one.
    ``{"translation": {"en": …, "fr": …}}`` becomes the columns ``en`` and ``fr``.
    """
    frame = table.frame
    if "translation" in frame.columns and isinstance(frame["translation"].dtype, pl.Struct):
        frame = frame.unnest("translation")
    known = {names.plain(column): column for column in frame.columns}
    given = next((known[name] for name in _INPUT if name in known), None)
    asked = next((known[name] for name in ("instruction", "指令") if name in known), None)
    if asked and given:
        both = zip(frame[asked].to_list(), frame[given].to_list(), strict=True)
        joined = [f"{a}\n{b}" if a and b and b.strip() else a for a, b in both]
        frame = frame.with_columns(pl.Series(asked, joined, dtype=pl.String)).drop(given)
    return table if frame is table.frame else replace(table, frame=frame)


def find_text_pair(
    table: Table,
    *,
    text: str | None = None,
    target: str | None = None,
    group: str | None = None,
    need_target: bool = True,
) -> Columns:
    """Find the column to read and the column to write.

    Args:
        table: As ``flat_texts`` leaves it.
        text: The column to read, if the user named it.
        target: The column to write, if the user named it.
        group: The column whose equal values must stay in one split; only ever named.
        need_target: Whether a table with nothing to write is an error.

    Raises:
        DataError: A named column is missing, or it is not clear which they are.
    """
    for name in filter(None, (text, target, group)):
        check_present(name, table)
    if text is None or target is None:
        text, target = _usual(table, text, target, need_target)
    for name in filter(None, (text, target, group)):
        check_scalar(name, table)
    if text == target:
        raise DataError(
            "{file}: {column} is named both as what is read and as what is written; name two "
            "columns with --text COLUMN --target COLUMN.",
            file=table.path,
            column=text,
        )
    return Columns(text, group=group, target=target)


def _usual(
    table: Table, text: str | None, target: str | None, need_target: bool
) -> tuple[str, str | None]:
    columns = table.frame.columns
    known = {names.plain(column): column for column in columns}
    pairs = [(known[a], known[b]) for a, b in names.TEXT_PAIRS if a in known and b in known]
    languages = [column for column in columns if names.is_language(column)]
    if not pairs:
        pairs = [(a, b) for a in languages for b in languages if a != b]
    fitting = [(a, b) for a, b in pairs if text in (None, a) and target in (None, b)]
    if len(fitting) == 1:
        return fitting[0]
    if not need_target and (text or len(columns) == 1):
        return text or columns[0], None
    if fitting and len(languages) > 1 and fitting[0][0] in languages:
        raise DataError(
            "{file} holds the languages {languages}; say from which to which with --text "
            "LANGUAGE --target LANGUAGE.",
            file=table.path,
            languages=", ".join(languages),
        )
    if fitting:
        raise DataError(
            "{file} can be read in more than one way ({pairs}); say what is read and what is "
            "written with --text COLUMN --target COLUMN.",
            file=table.path,
            pairs=_shown(fitting),
        )
    raise DataError(
        "{file}: among {columns} there are no two columns with usual names for what is read and "
        "what is written, such as source and target; name them with --text COLUMN --target COLUMN.",
        file=table.path,
        columns=", ".join(columns),
    )


def _shown(pairs: Sequence[tuple[str, str]]) -> str:
    return "; ".join(f"{a} → {b}" for a, b in pairs)
