"""The archive of Papers with Code: ``evaluation-tables.json``, plain or compressed by gzip.

A list of tasks, each with ``datasets``, each with the ``rows`` of its leaderboard under ``sota``,
and with ``subtasks`` that look the same. Papers with Code closed in 2025; the file lives on in
copies.
"""

import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mason.catalog.board import Published
from mason.errors import DataError

_MOST_BYTES, _DEEPEST = 1 << 30, 16
_NUMBER = re.compile(r"\s*([-+]?\d[\d,]*(?:\.\d+)?)\s*%?\s*(?:\(.*|±.*|\+/-.*)?$")


def read_archive(file: Path) -> Iterator[Published]:
    """The figures of a dump that are numbers.

    Raises:
        DataError: The file cannot be read, or is no such dump.
    """
    try:
        with (gzip.open if file.suffix == ".gz" else open)(file, "rb") as stream:
            content = stream.read(_MOST_BYTES + 1)
    except (OSError, EOFError) as error:
        raise DataError("{file} cannot be read ({reason}).", file=file, reason=error) from error
    if len(content) > _MOST_BYTES:
        raise DataError(
            "{file} holds more than {most} bytes, which no such dump does.",
            file=file,
            most=_MOST_BYTES,
        )
    try:
        tasks = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise DataError("{file} is no JSON ({reason}).", file=file, reason=error) from error
    if not isinstance(tasks, list) or not all(isinstance(t, dict) and "task" in t for t in tasks):
        raise DataError(
            "{file} is no dump of Papers with Code's evaluation tables: a list of tasks is "
            "expected, each with its name under 'task'.",
            file=file,
        )
    return _figures(tasks)


def _figures(tasks: list[Any], depth: int = 0) -> Iterator[Published]:
    if depth > _DEEPEST:
        return
    for task in _dicts(tasks):
        for dataset in _dicts(task.get("datasets")):
            sota = dataset.get("sota")
            for row in _dicts(sota.get("rows") if isinstance(sota, dict) else None):
                yield from _row(str(task.get("task")), str(dataset.get("dataset")), row)
        yield from _figures(_dicts(task.get("subtasks")), depth + 1)


def _row(task: str, data: str, row: dict[str, Any]) -> Iterator[Published]:
    metrics = row.get("metrics")
    for name, told in metrics.items() if isinstance(metrics, dict) else ():
        found = _NUMBER.match(str(told))
        if found is None:
            continue
        said = (str(row.get(key) or "") for key in ("paper_title", "paper_date", "paper_url"))
        value = float(found[1].replace(",", ""))
        yield Published(task, data, str(name), value, str(row.get("model_name") or ""), *said)


def _dicts(found: object) -> list[dict[str, Any]]:
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
