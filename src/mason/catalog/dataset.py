"""A data set by name: where it comes from, what it says of itself, and its table on disk."""

import csv
import hashlib
import io
import json
import os
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from mason.errors import SourceError
from mason.sources import cache_folder
from mason.sources.cache import sha256

Row = tuple[str, ...]
TEST_SHARE = 0.1
"""Held out for testing, of data sets without a split of their own."""


def hashed_share(text: str) -> float:
    """A number from 0 to 1 that depends on the text alone."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big") / 2**48


class Figure(NamedTuple):
    """A published result, in the units of its paper, and why it may not compare."""

    value: float
    metric: str
    system: str
    source: str
    difference: str = ""


@dataclass(frozen=True)
class Dataset:
    """One data set.

    ``rows`` yields tuples in the order of ``columns``. ``num_rows`` is the exact number
    of rows, or the least and most where the source moves. ``group``'s rows must stay on
    one side of a split; corpora for pretraining have no ``label``. A ``split`` column,
    where there is one, says "train" or "test".
    """

    name: str
    title: Callable[[], str]
    task: str
    language: str
    citation: str
    licence: str
    source: str
    columns: tuple[str, ...]
    num_rows: int | tuple[int, int]
    rows: Callable[[], Iterable[Row]]
    text: str = "text"
    label: str | None = "label"
    target: str | None = None
    group: str | None = None
    split: str | None = None
    published: tuple[Figure, ...] = ()

    def build(self, folder: Path | None = None) -> Path:
        """The data set's csv file (UTF-8, one header line), made where it is not there yet.

        A ``NAME.json`` beside it records the number of rows, the SHA-256 and the source;
        a table that no longer fits it is made again.

        Args:
            folder: where to; Mason's cache where left out.

        Raises:
            SourceError: the source cannot be had, or has other rows than it should.
        """
        folder = folder or cache_folder() / "data"
        table, manifest = folder / f"{self.name}.csv", folder / f"{self.name}.json"
        if not self._intact(table, manifest):
            rows = list(self.rows())
            self._check(len(rows))
            folder.mkdir(parents=True, exist_ok=True)
            _write(table, _csv(self.columns, rows))
            record = {"source": self.source, "rows": len(rows), "sha256": sha256(table)}
            _write(manifest, json.dumps(record, indent=1) + "\n")
        return table

    def _intact(self, table: Path, manifest: Path) -> bool:
        try:
            record = json.loads(manifest.read_text(encoding="utf-8"))
            return bool(record["source"] == self.source and record["sha256"] == sha256(table))
        except (OSError, ValueError, KeyError, TypeError):
            return False

    def _check(self, found: int) -> None:
        least, most = (
            self.num_rows if isinstance(self.num_rows, tuple) else (self.num_rows, self.num_rows)
        )
        if not least <= found <= most:
            raise SourceError(
                "The data set {name} came out with {found} rows where {least} to {most} were "
                "expected; its source has changed, so check it before you rely on it.",
                name=self.name,
                found=found,
                least=least,
                most=most,
            )


def _write(file: Path, text: str) -> None:
    """Write under a temporary name, then rename: a file is whole or not there."""
    handle, temporary = tempfile.mkstemp(prefix=".new-", dir=file.parent)
    try:
        with open(handle, "w", encoding="utf-8", newline="") as stream:
            stream.write(text)
        os.replace(temporary, file)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _csv(columns: Row, rows: Iterable[Row]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([columns, *rows])
    return text.getvalue()
