"""Parallel files, as the WMT shared tasks give them: a text a line, a file a language.

``train.en`` and ``train.fr`` are one table with the columns ``en`` and ``fr``; line *i* of
one belongs to line *i* of the other.
"""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from mason.data.column_names import is_language
from mason.data.encodings import decode
from mason.data.tables import SPLIT_NAMES, Table
from mason.errors import DataError


def read_parallel(path: Path, *, encoding: str | None = None) -> dict[str, Table] | None:
    """Read the parallel files that a path names; None: it names none.

    Args:
        path: One of the files, or a folder that holds those of each split.
        encoding: None finds it.

    Returns:
        ``{"all": table}`` for a file, else a table a split, train first.

    Raises:
        DataError: The files of one table have different numbers of lines.
    """
    if not path.is_dir():
        files = _beside(path)
        return {"all": _table(files, encoding)} if len(files) > 1 else None
    splits: dict[str, list[Path]] = {}
    for file in sorted(p for p in path.iterdir() if p.is_file() and _code(p)):
        name = SPLIT_NAMES.get(file.stem.partition("-")[0].partition(".")[0].lower())
        if name is not None:
            splits.setdefault(name, []).append(file)
    if "train" not in splits or any(len(files) < 2 for files in splits.values()):
        return None
    names = [name for name in ("train", "validation", "test") if name in splits]
    return {name: _table(splits[name], encoding) for name in names}


def _beside(path: Path) -> list[Path]:
    """The file and those of other languages with its name."""
    if not path.is_file() or not _code(path):
        return []
    return [
        p for p in sorted(path.parent.glob(f"{path.stem}.*")) if p.stem == path.stem and _code(p)
    ]


def _code(path: Path) -> str | None:
    """The language a file's ending names."""
    ending = path.suffix.removeprefix(".")
    return ending if is_language(ending) else None


def _table(files: Sequence[Path], encoding: str | None) -> Table:
    found: dict[str, list[str | None]] = {}
    for file in files:
        text = decode(file.read_bytes(), file, encoding).text.replace("\r\n", "\n")
        lines = text.removesuffix("\n").split("\n")
        found[file.suffix.removeprefix(".")] = [line.strip() or None for line in lines]
    numbers = {file.name: len(lines) for file, lines in zip(files, found.values(), strict=True)}
    if len(set(numbers.values())) > 1:
        raise DataError(
            "{folder}: the files of one text in several languages have different numbers of lines "
            "({numbers}); line by line they must belong together.",
            folder=files[0].parent,
            numbers=", ".join(f"{name}: {number}" for name, number in numbers.items()),
        )
    frame = pl.DataFrame({name: pl.Series(lines, dtype=pl.String) for name, lines in found.items()})
    return Table(frame, range(1, frame.height + 1), files[0], "parallel", encoding)
