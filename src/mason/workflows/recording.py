"""A run that leaves a folder adds its main figure to the catalogue's board, and never fails for it.

One that leaves none is a step of something else, such as training on attacked texts.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from mason.catalog.board import Board, Measured, default_board
from mason.errors import SourceError
from mason.reports.schema import Interval, Scored
from mason.reports.score_names import main_score

_entry: ContextVar[tuple[str, bool]] = ContextVar("entry", default=("", False))
LOWER_IS_BETTER = frozenset({"loss", "held_loss", "mae", "rmse"})


@contextmanager
def running(entry: str, *, small: bool) -> Iterator[None]:
    """Runs inside are those of an entry of the catalogue."""
    token = _entry.set((entry, small))
    try:
        yield
    finally:
        _entry.reset(token)


def record(
    results: Mapping[str, Any],
    data: str | Sequence[str] | None,
    notice: Callable[[str], None],
) -> None:
    """Write a finished run's figure down, where there is a board and a figure.

    Args:
        results: What ``results.json`` holds.
        data: As the settings name them.
        notice: Told what went wrong.
    """
    path, found = default_board(), measured_of(results, data)
    if path is None or found is None:
        return
    try:
        Board(path).add(found)
    except SourceError as error:
        notice(str(error))


def measured_of(results: Mapping[str, Any], data: str | Sequence[str] | None) -> Measured | None:
    """The main figure of a run; None where nothing was measured."""
    figure = _figure(results)
    if figure is None:
        return None
    metric, interval, split, rows = figure
    entry, small = _entry.get()
    cost, names = results.get("cost") or {}, [data] if isinstance(data, str) else data or [""]
    machine = results.get("machine") or {}
    return Measured(
        created=str(results["created"]),
        entry=entry,
        small=small,
        task=str(results["task"]["name"]),
        data=" ".join(sorted(name.replace("\\", "/").rsplit("/", 1)[-1] for name in names)),
        split=split,
        rows=rows,
        model=str(results["model"]["source"]),
        metric=metric,
        value=interval.value,
        low=interval.low,
        high=interval.high,
        seconds=float((cost.get("seconds") or {}).get("total") or 0.0),
        peak_bytes=int(cost.get("peak_memory_bytes") or 0),
        machine=", ".join(
            str(part)
            for part in (machine.get("processor"), f"{machine.get('cores')} cores")
            if part
        ),
        command=str(results.get("command") or ""),
        mason=str(results["mason"]),
    )


def _figure(results: Mapping[str, Any]) -> tuple[str, Interval, str, int] | None:
    if results.get("pretraining"):
        loss = float(results["pretraining"]["held_loss"])
        return "held_loss", Interval(value=loss, low=loss, high=loss), "held out", 0
    if not results.get("evaluation"):
        return None
    scored = Scored.model_validate(results["evaluation"])
    name = main_score(scored)
    if name is not None:
        return name, scored.scores[name], scored.split, scored.rows
    for name, interval in (scored.nats | scored.distances).items():
        if name in LOWER_IS_BETTER:
            return name, interval, scored.split, scored.rows
    return None
