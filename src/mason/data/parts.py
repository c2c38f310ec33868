"""What a reader of one format hands on: the middle of a `Table`."""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from mason.data.findings import Finding


@dataclass(frozen=True)
class Parts:
    """A frame, the place of each of its rows in the file, the format, and notes."""

    frame: pl.DataFrame
    rows: Sequence[int]
    format: str
    notes: tuple[Finding, ...] = ()


def text_frame(columns: dict[str, list[str | None]]) -> pl.DataFrame:
    """A frame of strings."""
    return pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))
