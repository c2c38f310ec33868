"""Documents of a corpus, one after another, whatever files they lie in and however large."""

import bz2
import glob
import gzip
import json
import lzma
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from mason.data.columns import find_columns
from mason.data.encodings import decode
from mason.data.tables import read
from mason.errors import DataError

_PACKED: dict[str, Callable[..., Any]] = {
    ".gz": gzip.open,
    ".bz2": bz2.open,
    ".xz": lzma.open,
}
_LINES = (".txt", ".md", ".text", "")
_TABLES = (".csv", ".tsv", ".json", ".parquet")
_SAMPLE = 1 << 20


def find_files(sources: Sequence[str]) -> list[Path]:
    """Files, folders and patterns as files, each once, in order.

    Raises:
        DataError: A source names nothing.
    """
    found: dict[Path, None] = {}
    for source in sources:
        path = Path(source)
        if path.is_dir():
            files = sorted(p for p in path.rglob("*") if p.is_file() and _kind(p) is not None)
        elif path.is_file():
            files = [path]
        else:
            files = sorted(Path(p) for p in glob.glob(source, recursive=True) if Path(p).is_file())
        if not files:
            raise DataError(
                "{source} names no file of text; give a .txt, .jsonl, .csv, .tsv, .json or "
                ".parquet file, a folder of them, or a pattern in quotation marks.",
                source=source,
            )
        found |= dict.fromkeys(files)
    return list(found)


def documents(
    files: Sequence[Path], *, text: str | None = None, encoding: str | None = None
) -> Iterator[str]:
    """Every document: a row of a table, a line of jsonl, or what stands between empty lines.

    Files of lines are read line by line, packed ones (.gz, .bz2, .xz) too.

    Args:
        files: What to read, in order.
        text: The column or key of the text; None: found.
        encoding: Of files of lines; None: found from their first megabyte.

    Raises:
        DataError: A file is of another kind, or cannot be read.
    """
    for file in files:
        kind = _kind(file)
        if kind in _TABLES:
            table = read(file)
            column = find_columns(table, text=text, need_label=False).text
            yield from (row for row in table.texts(column) if row and row.strip())
        elif kind == ".jsonl":
            yield from _jsonl(file, text)
        elif kind is not None:
            yield from _between_empty_lines(file, encoding)
        else:
            raise DataError(
                "{file} is no file of text; give .txt, .jsonl, .csv, .tsv, .json or .parquet, "
                "plain or packed.",
                file=file,
            )


def _kind(file: Path) -> str | None:
    name = file.name
    for ending in _PACKED:
        name = name.removesuffix(ending)
    ending = Path(name).suffix.lower()
    return ending if ending in (*_LINES, *_TABLES, ".jsonl") else None


def _open(file: Path) -> IO[bytes]:
    stream: IO[bytes] = _PACKED.get(file.suffix, open)(file, "rb")
    return stream


def _lines(file: Path, encoding: str | None) -> Iterator[str]:
    with _open(file) as stream:
        sample = stream.read(_SAMPLE)
        # The sample may end within a character; its last line is left out of the guess.
        whole = sample[: sample.rfind(b"\n") + 1] or sample
        found = decode(whole, file, encoding).encoding
    with _open(file) as stream:
        for number, line in enumerate(stream, 1):
            try:
                yield line.decode(found).lstrip("\ufeff")
            except UnicodeDecodeError:
                raise DataError(
                    "{file}, line {line}: not {encoding}, as the lines before; convert the file to "
                    "UTF-8.",
                    file=file,
                    line=number,
                    encoding=found,
                ) from None


def _between_empty_lines(file: Path, encoding: str | None) -> Iterator[str]:
    held: list[str] = []
    for line in _lines(file, encoding):
        if line.strip():
            held.append(line.strip())
        elif held:
            yield "\n".join(held)
            held = []
    if held:
        yield "\n".join(held)


def _jsonl(file: Path, key: str | None) -> Iterator[str]:
    for number, line in enumerate(_lines(file, "utf-8"), 1):
        if not line.strip():
            continue
        try:
            record: Any = json.loads(line)
            text = record if isinstance(record, str) else record[key or "text"]
        except (ValueError, KeyError, TypeError):
            raise DataError(
                "{file}, line {line}: no JSON object with a text under {key!r}; mend the line, or "
                "name the key with --text.",
                file=file,
                line=number,
                key=key or "text",
            ) from None
        if isinstance(text, str) and text.strip():
            yield text
