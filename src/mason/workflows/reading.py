"""Texts to predict from a table."""

from pathlib import Path

from mason.workflows.preparing import columns_of, data_settings, read_tables, texts_of
from mason.workflows.tasks import find_task


def read_texts(data: str | Path, **options: str | None) -> tuple[list[str], list[str] | None]:
    """The texts of every row, and the second ones where the rows are pairs.

    Args:
        data: As for ``mason.train``; of a folder, its first split.
        options: Fields of the ``data`` settings, such as ``text`` and ``encoding``.

    Raises:
        MasonError: The data cannot be read, or have no column of texts.
    """
    tables, settings = read_tables(data_settings(data, options))
    columns = columns_of(tables, settings, need_label=False)
    table = next(iter(tables.values()))
    seconds = texts_of(table, columns.pair) if columns.pair else None
    return texts_of(table, columns.text), seconds


def read_sources(data: str | Path, task: str, **options: str | None) -> list[str]:
    """The texts of every row that a task reads to write another.

    Args:
        data: As for ``read_texts``.
        task: Its name.
        options: As for ``read_texts``.

    Raises:
        MasonError: As for ``read_texts``.
    """
    reader = find_task(task)
    tables, settings = read_tables(data_settings(data, options))
    tables = reader.arrange(tables)
    columns = reader.columns(tables, settings, complete=False)
    return texts_of(next(iter(tables.values())), columns.text)
