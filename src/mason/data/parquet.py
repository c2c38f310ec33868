"""Parquet, as hub data sets come: scalars become strings, class numbers their names."""

import io
import json
from pathlib import Path
from typing import Any

import polars as pl

from mason.data.parts import Parts
from mason.errors import DataError


def read_parquet(data: bytes, path: Path) -> Parts:
    """Read a whole parquet file.

    Raises:
        DataError: the file is cut off or is not parquet.
    """
    try:
        frame = pl.read_parquet(io.BytesIO(data))
        names = _class_names(pl.read_parquet_metadata(io.BytesIO(data)))
    # Damage in the middle of a file makes polars panic.
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError):
        raise DataError(
            "{file} is cut off, damaged or no parquet file; fetch or write it again.", file=path
        ) from None
    frame = frame.select(_as_text(frame[name], names.get(name)) for name in frame.columns)
    return Parts(frame, range(1, frame.height + 1), "parquet")


def _as_text(column: pl.Series, names: list[str] | None) -> pl.Series:
    if names and isinstance(column.dtype, pl.List) and column.dtype.inner.is_integer():
        return pl.Series(
            column.name,
            [None if cell is None else [names[i] for i in cell] for cell in column.to_list()],
        )
    if column.dtype.is_nested() or column.dtype == pl.Binary:
        return column
    if names and column.dtype.is_integer():
        known = dict(enumerate(names))
        return column.replace_strict(known, default=column.cast(pl.String), return_dtype=pl.String)
    return column.cast(pl.String).replace("", None)


def _class_names(metadata: dict[str, str]) -> dict[str, list[str]]:
    """Column → names of its classes, where the ``datasets`` library left them."""
    try:
        features = json.loads(metadata.get("huggingface", "{}"))["info"]["features"]
        return {name: _names(feature) for name, feature in features.items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}  # another program's metadata; the numbers stay


def _names(feature: dict[str, Any]) -> list[str]:
    inner = feature.get("feature")
    if isinstance(inner, dict):  # a list of classes
        return _names(inner)
    names = feature.get("names")
    is_class = feature.get("_type") == "ClassLabel" and isinstance(names, list)
    return [str(name) for name in names] if is_class and names else []
