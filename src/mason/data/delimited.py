"""csv and tsv, read strictly: the separator is found, and every record has its columns."""

import csv
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Literal, NamedTuple

from mason.data.findings import Finding, examples_of, shorten
from mason.data.headers import check_header
from mason.data.parts import Parts, text_frame
from mason.errors import DataError
from mason.language import say

MAX_FIELD_CHARACTERS = 10_000_000
SEPARATORS = (",", "\t", ";", "|")
_SNIFFED_RECORDS = 100


class Record(NamedTuple):
    """The fields of a record and the line on which it begins, counted from 1."""

    row: int
    fields: list[str]


class _QuotesError(Exception):
    """Quotes that do not pair; holds the line on which the record begins."""


def read_delimited(text: str, path: Path, format: str, columns: Sequence[str] | None) -> Parts:
    """Read ``text`` as separated columns.

    Args:
        text: the whole file.
        path: its name, for errors.
        format: "csv" or "tsv"; tsv tries the tab first.
        columns: names for the columns of a file without a header.

    Raises:
        DataError: unpaired quotes, a record with too few or too many fields, a field of more
            than `MAX_FIELD_CHARACTERS`, no header, or two columns of one name.
    """
    separator = _separator(text, format)
    quoted = separator != "\t" or not _quotes_are_characters(text)
    try:
        records = [r for r in _records(text, separator, quoted, path) if any(r.fields)]
    except _QuotesError as found:
        raise DataError(
            "{file}, row {row}: a quotation mark is not closed, or not doubled inside a quoted "
            "text; write quotes inside a text twice.",
            file=path,
            row=found.args[0],
        ) from None
    if not records:
        raise DataError("{file} is empty; give a file with at least one row.", file=path)
    header, records = (list(columns), records) if columns else _header(records, path)
    _check_names(header, path)
    spare = _check_widths(records, len(header), path)
    frame = text_frame(
        {name: [r.fields[i] or None for r in records] for i, name in enumerate(header)}
    )
    if not records:
        raise DataError("{file} has only a header; give a file with at least one row.", file=path)
    notes = [
        *_separator_notes(separator, format, path),
        *_quote_notes(separator, quoted, text, path),
    ]
    notes += [_spare_note(spare, path)] if spare else []
    return Parts(frame, [r.row for r in records], format, tuple(notes))


def _records(text: str, separator: str, quoted: bool, path: Path) -> Iterator[Record]:
    lines = io.StringIO(text, newline="")
    quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE
    reader = csv.reader(
        lines,
        delimiter=separator,
        quoting=quoting,
        skipinitialspace=separator != "\t",  # people write: a text, a label
        strict=True,
    )
    previous = csv.field_size_limit(MAX_FIELD_CHARACTERS)  # one limit for the whole process
    row = 1
    try:
        for fields in reader:
            yield Record(row, fields)
            row = reader.line_num + 1
    except csv.Error as error:
        if "field limit" in str(error):
            raise DataError(
                "{file}, row {row}: a field has more than {limit} characters; close the "
                "quotation mark that is left open, or cut the text.",
                file=path,
                row=row,
                limit=MAX_FIELD_CHARACTERS,
            ) from None
        raise _QuotesError(row) from None
    finally:
        csv.field_size_limit(previous)


def _separator(text: str, format: str) -> str:
    """The separator that gives the most records as many fields as the first one has."""
    head = _head(text)
    order = SEPARATORS if format == "csv" else ("\t", ",", ";", "|")

    def fit(separator: str) -> float:
        counts = _widths(head, separator, quoted=True) or _widths(head, separator, quoted=False)
        first = counts[0] if counts else 1
        return counts.count(first) / len(counts) if first > 1 else 0.0

    return max(order, key=fit)  # the first of the best


def _head(text: str) -> str:
    return "".join(islice(io.StringIO(text, newline=""), _SNIFFED_RECORDS))


def _widths(text: str, separator: str, *, quoted: bool) -> list[int]:
    """How many fields each record has, up to the first whose quotes do not pair."""
    widths = []
    try:
        for record in _records(text, separator, quoted, Path()):
            widths += [len(record.fields)] if any(record.fields) else []
    except (_QuotesError, DataError):
        pass
    return widths


def _quotes_are_characters(text: str) -> bool:
    """Whether the quotes in a tab-separated file stand for themselves.

    They do if every line has all its columns without reading them, and reading them either
    fails or makes one record of several lines.
    """
    if '"' not in text:
        return False
    plain = _widths(text, "\t", quoted=False)
    return len(set(plain)) == 1 and len(_widths(text, "\t", quoted=True)) != len(plain)


def _header(records: list[Record], path: Path) -> tuple[list[str], list[Record]]:
    first, rest = records[0].fields, records[1:]
    again = [record.row for record in rest if record.fields == first]
    check_header(first, [r.fields for r in rest[:_SNIFFED_RECORDS] if r.row not in again], path)
    if again:
        raise DataError(
            "{file}, row {row}: the header stands here again; delete that line.",
            file=path,
            row=again[0],
        )
    while len(first) > 1 and not first[-1].strip():
        first = first[:-1]
    return [name.strip() or f"column_{i}" for i, name in enumerate(first, 1)], rest


def _check_names(header: Sequence[str], path: Path) -> None:
    for name, count in Counter(header).items():
        if count > 1:
            raise DataError(
                "{file} has two columns named {column}; rename one of them.",
                file=path,
                column=name,
            )


def _check_widths(records: Sequence[Record], num_columns: int, path: Path) -> list[Record]:
    """Refuse records of the wrong width; those with empty fields to spare are returned."""
    wrong = [r for r in records if len(r.fields) < num_columns or any(r.fields[num_columns:])]
    if wrong:
        raise DataError(
            "{file}, row {row}: the number of fields is {found}, in the header {wanted} (rows like "
            "this: {count}); quote a text that holds the separator, or fill in what is missing.",
            file=path,
            row=wrong[0].row,
            found=len(wrong[0].fields),
            wanted=num_columns,
            count=len(wrong),
        )
    return [r for r in records if len(r.fields) > num_columns]


def _separator_notes(separator: str, format: str, path: Path) -> list[Finding]:
    if separator == ("\t" if format == "tsv" else ","):
        return []
    names = {",": say("a comma"), "\t": say("a tab"), ";": say("a semicolon"), "|": "|"}
    return [
        Finding(
            code="separator",
            severity="note",
            file=str(path),
            reason=say("The columns are separated by {separator}.", separator=names[separator]),
            fix=say("Nothing to do if the columns look right."),
        )
    ]


def _quote_notes(separator: str, quoted: bool, text: str, path: Path) -> list[Finding]:
    if quoted:
        return []
    row, line = next((i, s) for i, s in enumerate(text.split("\n"), 1) if '"' in s)
    return [
        Finding(
            code="literal-quotes",
            severity="note",
            file=str(path),
            row=row,
            reason=say("Quotation marks do not pair; they were read as part of the texts."),
            fix=say("Nothing to do if the texts look right."),
            examples=examples_of([row], [line]),
        )
    ]


def _spare_note(spare: Sequence[Record], path: Path) -> Finding:
    return Finding(
        code="ragged-rows",
        severity="note",
        file=str(path),
        row=spare[0].row,
        count=len(spare),
        reason=say("Some rows end in empty fields beyond the last column; these were ignored."),
        fix=say("Delete the separators at the end of those rows."),
        examples=examples_of(
            [r.row for r in spare], [shorten(" | ".join(r.fields)) for r in spare]
        ),
    )
