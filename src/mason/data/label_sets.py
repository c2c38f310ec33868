"""The labels of each row, where a row has any number of them."""

from mason.data.columns import NO, YES, Columns
from mason.data.tables import Table
from mason.errors import DataError


def label_sets(table: Table, columns: Columns) -> list[tuple[str, ...]]:
    """Each row's labels, every one once, in the order they are named; none is a set, too.

    Args:
        table: The rows.
        columns: As ``find_several_labels`` found them.

    Raises:
        DataError: A column of 0 and 1 holds something else.
    """
    if columns.answers:
        flags = [_flags(table, name) for name in columns.answers]
        return [
            tuple(name for name, flag in zip(columns.answers, row, strict=True) if flag)
            for row in zip(*flags, strict=True)
        ]
    assert columns.answer is not None, "labels stand somewhere"
    return [_parted(cell, columns.separator) for cell in table.frame[columns.answer].to_list()]


def label_names(sets: list[tuple[str, ...]], columns: Columns) -> tuple[str, ...]:
    """Every label: the columns in their order, or what stands in the cells by the alphabet."""
    return columns.answers or tuple(sorted({label for labels in sets for label in labels}))


def _flags(table: Table, name: str) -> list[bool]:
    flags = []
    for row, value in zip(table.rows, table.texts(name), strict=True):
        plain = (value or "").casefold()
        if plain not in YES | NO:
            raise DataError(
                "{file}, row {row}, column {column}: {value!r} is neither 0 nor 1; correct it.",
                file=table.path,
                row=int(row),
                column=name,
                value=value,
            )
        flags.append(plain in YES)
    return flags


def _parted(cell: object, separator: str | None) -> tuple[str, ...]:
    if isinstance(cell, list):
        parts = [str(part).strip() for part in cell if part is not None]
    else:
        whole = str(cell or "")
        parts = [part.strip() for part in (whole.split(separator) if separator else [whole])]
    return tuple(dict.fromkeys(part for part in parts if part))
