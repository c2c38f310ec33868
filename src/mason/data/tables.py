"""Reading a file into a `Table`: csv, tsv, jsonl, json, parquet, txt or CoNLL, also gzipped."""

import gzip
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

import polars as pl

from mason.data.conll import read_conll
from mason.data.delimited import read_delimited
from mason.data.encodings import decode
from mason.data.findings import Finding
from mason.data.parquet import read_parquet
from mason.data.parts import Parts
from mason.data.records import read_json, read_jsonl, read_lines
from mason.errors import DataError
from mason.language import say

FORMATS = ("csv", "tsv", "jsonl", "json", "parquet", "txt", "conll")
SPLIT_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "train": "train",
        "training": "train",
        "test": "test",
        "valid": "validation",
        "validation": "validation",
        "val": "validation",
        "dev": "validation",
    }
)
"""What the file of a split may be called, and the split's name."""

_EXTENSIONS = {name: name for name in FORMATS} | {
    "tab": "tsv",
    "ndjson": "jsonl",
    "jsonlines": "jsonl",
    "pq": "parquet",
    "text": "txt",
    "conllu": "conll",
    "bio": "conll",
    "iob": "conll",
}
_MAX_RATIO = 200  # text packs 3 to 30 times smaller; a bomb thousands of times
_ALWAYS_FINE_BYTES = 100_000_000


@dataclass(frozen=True)
class Table:
    """A file's rows.

    ``frame`` holds every scalar as a string, missing ones as null; lists and objects keep
    their structure, and lists of objects read from JSON are Python's own. ``rows[i]`` is where
    row ``i`` stands in the file, counted from 1: the line on which it begins, or for json and
    parquet its record. ``notes`` say what had to be guessed on the way.
    """

    frame: pl.DataFrame
    rows: Sequence[int]
    path: Path
    format: str
    encoding: str | None
    notes: tuple[Finding, ...] = ()
    layout: str | None = None
    """Of conversations: the form the file holds them in."""

    def __len__(self) -> int:
        return self.frame.height

    def texts(self, column: str) -> list[str | None]:
        """A column of scalars as Python strings; lists of words as words with spaces between."""
        series = self.frame[column]
        if series.dtype == pl.List(pl.String):
            return [None if cell is None else " ".join(map(str, cell)) for cell in series.to_list()]
        return series.to_list()

    def take(self, places: Sequence[int]) -> "Table":
        """The table of the rows at ``places``, counted from 0, in that order."""
        rows = [self.rows[place] for place in places]
        return replace(self, frame=self.frame[list(places)], rows=rows)


def read(
    path: str | Path,
    *,
    format: str | None = None,
    encoding: str | None = None,
    columns: Sequence[str] | None = None,
) -> Table:
    """Read one file.

    Args:
        path: the file; a name ending in ``.gz`` is unpacked.
        format: one of `FORMATS`; None reads it from the name.
        encoding: None finds it, and says so where that is a guess.
        columns: the names of the columns of a csv or tsv file whose first line is data.

    Raises:
        DataError: the file is not there, is not what it says, or has no rows; the sentence
            names the row.
    """
    path = Path(path)
    _check_is_file(path)
    packed = path.suffix.lower() == ".gz"
    format = format or _format_of(path.with_suffix("") if packed else path, path)
    data = _unpack(path) if packed else path.read_bytes()
    if not data or data.isspace():
        raise DataError("{file} is empty; give a file with at least one row.", file=path)
    if format == "parquet":
        parts, encoding, notes = read_parquet(data, path), None, []
    else:
        decoded = decode(data, path, encoding)
        encoding = decoded.encoding
        notes = [_guess_note(path, encoding)] if decoded.guessed else []
        _check_characters(decoded.text, path)
        parts = _READERS[format](decoded.text, path, columns)
    if not parts.rows:
        raise DataError("{file} holds no rows; give a file with at least one row.", file=path)
    notes += parts.notes
    return Table(parts.frame, parts.rows, path, parts.format, encoding, tuple(notes))


def read_splits(
    path: str | Path,
    *,
    format: str | None = None,
    encoding: str | None = None,
    columns: Sequence[str] | None = None,
) -> dict[str, Table]:
    """Read a file, or a folder with a file for each split.

    Args:
        path: a file, or a folder that holds ``train.*`` and perhaps ``validation.*`` and
            ``test.*`` (`SPLIT_NAMES`, also as ``train-00000-of-00002.parquet``).
        format: as for `read`.
        encoding: as for `read`.
        columns: as for `read`.

    Returns:
        ``{"all": table}`` for a file, else a table a split, train first.

    Raises:
        DataError: as for `read`; or the folder holds no such files, or two for one split.
    """
    path = Path(path)
    if not path.is_dir():
        return {"all": read(path, format=format, encoding=encoding, columns=columns)}
    files: dict[str, Path] = {}
    for file in sorted(path.iterdir()):
        name = SPLIT_NAMES.get(file.name.partition(".")[0].partition("-")[0].lower())
        if name is None or not file.is_file() or not _known_format(file):
            continue
        if name in files:
            raise DataError(
                "{folder} holds two files for {split}, {first} and {second}; keep one of them.",
                folder=path,
                split=name,
                first=files[name].name,
                second=file.name,
            )
        files[name] = file
    if not files:
        raise DataError(
            "{folder} holds no file named train, validation or test with an ending such as "
            ".csv; rename the files, or give one of them.",
            folder=path,
        )
    return {
        name: read(files[name], format=format, encoding=encoding, columns=columns)
        for name in ("train", "validation", "test")
        if name in files
    }


def _check_is_file(path: Path) -> None:
    if path.is_dir():
        raise DataError("{file} is a folder; give one file in it.", file=path)
    if not path.is_file():
        raise DataError("There is no file {file}; check the path.", file=path)


def _known_format(path: Path) -> str | None:
    inner = path.with_suffix("") if path.suffix.lower() == ".gz" else path
    return _EXTENSIONS.get(inner.suffix.lower().removeprefix("."))


def _format_of(inner: Path, path: Path) -> str:
    found = _EXTENSIONS.get(inner.suffix.lower().removeprefix("."))
    if inner.suffix.lower() in {".xlsx", ".xls"}:
        raise DataError("{file} is a workbook; save its sheet as CSV in UTF-8.", file=path)
    if found is None:
        raise DataError(
            "{file} does not end in {formats}; rename it, or name its format.",
            file=path,
            formats=", ".join(f".{name}" for name in FORMATS),
        )
    return found


def _unpack(path: Path) -> bytes:
    """The bytes inside a gzip file, refused where they outgrow it beyond measure."""
    limit = max(_ALWAYS_FINE_BYTES, path.stat().st_size * _MAX_RATIO)
    try:
        with gzip.open(path) as file:
            data = file.read(limit + 1)
    except (EOFError, gzip.BadGzipFile, zlib.error):
        raise DataError(
            "{file} is cut off, damaged or no gzip file; fetch or pack it again.", file=path
        ) from None
    if len(data) > limit:
        raise DataError(
            "{file} unpacks to more than {limit} bytes, far more than text does; unpack it "
            "yourself if you trust it.",
            file=path,
            limit=limit,
        )
    return data


def _check_characters(text: str, path: Path) -> None:
    place = text.find("\0")
    if place >= 0:
        raise DataError(
            "{file}, line {line}: there is a NUL character; the file is damaged, or is not text.",
            file=path,
            line=text.count("\n", 0, place) + 1,
        )


def _guess_note(path: Path, encoding: str) -> Finding:
    return Finding(
        code="guessed-encoding",
        severity="note",
        file=str(path),
        reason=say("The file is not UTF-8; it was read as {encoding}.", encoding=encoding),
        fix=say("Look at a few texts; if they are garbled, save the file as UTF-8."),
    )


_READERS: dict[str, Callable[[str, Path, Sequence[str] | None], Parts]] = {
    "csv": lambda text, path, columns: read_delimited(text, path, "csv", columns),
    "tsv": lambda text, path, columns: read_delimited(text, path, "tsv", columns),
    "jsonl": lambda text, path, columns: read_jsonl(text, path),
    "json": lambda text, path, columns: read_json(text, path),
    "txt": lambda text, path, columns: read_lines(text, path),
    "conll": read_conll,
}
