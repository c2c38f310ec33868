"""Whether a table's first line names its columns, or is already data."""

import re
from collections.abc import Sequence
from pathlib import Path

from mason.data.column_names import is_known
from mason.data.findings import shorten
from mason.errors import DataError

_NUMBER = re.compile(r"[-+]?\d+(?:[.,]\d+)?")
_SENTENCE_END = re.compile(r"[.!?。！？]\s*$")


def check_header(first: Sequence[str], records: Sequence[Sequence[str]], path: Path) -> None:
    """Refuse a first line that is obviously data.

    Args:
        first: the fields of the first line.
        records: the fields of the first few lines after it.
        path: the file, for the error.

    Raises:
        DataError: a field is a value that its own column has again; or none is a name that
            columns usually have, and one is a number, a sentence, or empty (but for the
            first: programs that number the rows leave that name empty).
    """
    known = any(is_known(name) for name in first)
    for place, cell in enumerate(first):
        below = [fields[place] for fields in records if place < len(fields)]
        repeated = cell != "" and below.count(cell) > 1
        if repeated or (not known and (_is_value(cell) if cell else place > 0)):
            raise DataError(
                "{file} seems to have no header: {cell} in its first line is no name of a "
                "column; add a first line such as text,label, or name them with --columns.",
                file=path,
                cell=shorten(repr(cell), 40),
            )


def _is_value(cell: str) -> bool:
    is_sentence = len(cell) > 60 or len(cell.split()) > 5 or _SENTENCE_END.search(cell) is not None
    return is_sentence or _NUMBER.fullmatch(cell) is not None
