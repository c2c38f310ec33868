"""The board: every figure that was measured here and those of papers, in one SQLite file."""

import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

from mason.errors import SourceError

_WAIT_SECONDS = 5.0


@dataclass(frozen=True)
class Measured:
    """A run's main figure.

    Attributes:
        created: When, UTC, in ISO 8601.
        entry: Of the catalogue; "" for any other run.
        small: Whether it was the entry's small form.
        task: What was learned.
        data: As the run named them, without a folder.
        split: Which rows were asked.
        rows: How many.
        model: What it started from.
        metric: The figure's name.
        value: The figure, with the interval from ``low`` to ``high``.
        low: See ``value``.
        high: See ``value``.
        seconds: Of the whole run.
        peak_bytes: Of memory.
        machine: In words.
        command: What repeats it.
        mason: The version.
    """

    created: str
    entry: str
    small: bool
    task: str
    data: str
    split: str
    rows: int
    model: str
    metric: str
    value: float
    low: float
    high: float
    seconds: float
    peak_bytes: int
    machine: str
    command: str
    mason: str


class Published(NamedTuple):
    """A figure of a paper, as the archive of Papers with Code has it."""

    task: str
    data: str
    metric: str
    value: float
    model: str
    paper: str
    date: str
    address: str


_KINDS = {int: "INTEGER", float: "REAL", str: "TEXT", bool: "INTEGER"}
_MEASURED = [(f.name, _KINDS[f.type]) for f in fields(Measured) if isinstance(f.type, type)]
_PUBLISHED = [(name, _KINDS[kind]) for name, kind in Published.__annotations__.items()]


def default_board() -> Path | None:
    """``MASON_CATALOG``, else a file in the user's data folder; None where it says ``off``."""
    named = os.environ.get("MASON_CATALOG")
    if named:
        return None if named == "off" else Path(named).expanduser()
    home = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(home) / "mason" / "catalog.sqlite"


class Board:
    """The figures in a file, which is made when the first is written.

    Args:
        path: The file.

    Raises:
        SourceError: It is no board, or cannot be read or written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, found: Measured) -> None:
        """Write down what was measured."""
        self._write("measured", [astuple(found)])

    def measured(self) -> list[Measured]:
        """All that was measured, the newest first."""
        rows = self._read("measured", [name for name, _ in _MEASURED], "created DESC, rowid DESC")
        kinds: list[Any] = [f.type for f in fields(Measured)]
        return [Measured(*(kind(v) for kind, v in zip(kinds, row, strict=True))) for row in rows]

    def add_published(self, found: Iterable[Published]) -> int:
        """Take in figures of papers, those that are there already once; how many are new."""
        before = len(self.published())
        self._write("published", found)
        return len(self.published()) - before

    def published(self) -> list[Published]:
        """All figures of papers that were taken in."""
        rows = self._read("published", [name for name, _ in _PUBLISHED], "task, data, metric")
        return [Published(*row) for row in rows]

    def _write(self, table: str, rows: Iterable[tuple[object, ...]]) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._mistake(error) from error
        with self._open() as base:
            for name, columns in (("measured", _MEASURED), ("published", _PUBLISHED)):
                told = ", ".join(f"{column} {kind}" for column, kind in columns)
                alone = ", ".join(column for column, _ in columns)
                unique = f", UNIQUE ({alone})" if name == "published" else ""
                base.execute(f"CREATE TABLE IF NOT EXISTS {name} ({told}{unique})")
            count = len(_MEASURED if table == "measured" else _PUBLISHED)
            marks = ", ".join("?" * count)
            base.executemany(f"INSERT OR IGNORE INTO {table} VALUES ({marks})", rows)

    def _read(self, table: str, names: list[str], order: str) -> list[tuple[Any, ...]]:
        if not self.path.exists():
            return []
        with self._open() as base:
            there = base.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchone()
            if not there:
                return []
            asked = f"SELECT {', '.join(names)} FROM {table} ORDER BY {order}"
            return base.execute(asked).fetchall()

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            base = sqlite3.connect(self.path, timeout=_WAIT_SECONDS)
            try:
                with base:  # one transaction: all of it or nothing
                    yield base
            finally:
                base.close()
        except sqlite3.Error as error:
            raise self._mistake(error) from error

    def _mistake(self, error: Exception) -> SourceError:
        return SourceError(
            "The catalogue {file} cannot be used ({reason}); move it away, or name another file in "
            "MASON_CATALOG.",
            file=self.path,
            reason=error,
        )
