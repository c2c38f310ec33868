"""The catalogue: what is in it, one of its runs again, its leaderboards as pages."""

import os
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mason.catalog.archive import read_archive
from mason.catalog.board import Board, Measured, Published, default_board
from mason.catalog.entries import ENTRIES, find_entry
from mason.catalog.entry import Entry
from mason.errors import SettingsError, SourceError
from mason.models.files import writing_folder
from mason.reports.leaderboards import Line, Table, leaderboards
from mason.training.loop import Watch
from mason.workflows.fine_tuning import train
from mason.workflows.pretraining import pretrain
from mason.workflows.recording import LOWER_IS_BETTER, measured_of, running

Say = Callable[[str], None]


@dataclass(frozen=True)
class Listed:
    """An entry with the best that its whole recipe and its small form came to here."""

    entry: Entry
    whole: Measured | None
    small: Measured | None


@dataclass(frozen=True)
class Repeated:
    """An entry that was run again: what it came to, and whether that is as near as it should."""

    entry: Entry
    found: Measured
    deviation: float | None
    """Of a small form from what is expected."""

    @property
    def within(self) -> bool | None:
        """Whether it is; None of a whole recipe, for which nothing is promised."""
        if self.deviation is None:
            return None
        return abs(self.deviation) <= self.entry.expected.within


def board() -> Board:
    """The board in use.

    Raises:
        SettingsError: It is switched off.
    """
    path = default_board()
    if path is None:
        raise SettingsError("MASON_CATALOG is off, so no figures are kept; unset it first.")
    return Board(path)


def list_entries(task: str | None = None) -> list[Listed]:
    """The entries, of one task or all.

    Raises:
        SourceError: There are none of that task, or the board cannot be read.
    """
    chosen = [entry for entry in ENTRIES.values() if task in (None, entry.task)]
    if not chosen:
        raise SourceError(
            "The catalogue has nothing for {task}; its tasks are {known}.",
            task=task,
            known=", ".join(sorted({entry.task for entry in ENTRIES.values()})),
        )
    measured, _ = kept_figures()
    return [_listed(entry, measured) for entry in chosen]


def _listed(entry: Entry, measured: Sequence[Measured]) -> Listed:
    best: dict[bool, Measured | None] = {True: None, False: None}
    for found in measured:
        now = best[found.small]
        if found.entry == entry.name and (now is None or _better(found, now)):
            best[found.small] = found
    return Listed(entry, best[False], best[True])


def _better(one: Measured, other: Measured) -> bool:
    lower = one.metric in LOWER_IS_BETTER
    return one.value < other.value if lower else one.value > other.value


def kept_figures() -> tuple[list[Measured], list[Published]]:
    """What was measured here and what was taken in of papers; nothing where nothing is kept.

    Raises:
        SourceError: The board cannot be read.
    """
    path = default_board()
    if path is None:
        return [], []
    kept = Board(path)
    return kept.measured(), kept.published()


def figures_of(name: str) -> tuple[list[Measured], list[Published]]:
    """The figures of one entry, as ``kept_figures`` has them all.

    Raises:
        SourceError: There is no such entry, or the board cannot be read.
    """
    entry, (measured, published) = find_entry(name), kept_figures()
    return [one for one in measured if one.entry == name], _published_of(entry, published)


def _published_of(entry: Entry, figures: Sequence[Published]) -> list[Published]:
    """What the archive has on an entry's data."""
    names = {name.casefold() for name in (*entry.data, *entry.known_as)}
    return [figure for figure in figures if figure.data.casefold() in names]


def run_entry(
    name: str,
    *,
    whole: bool = False,
    output: str | Path,
    notice: Say = lambda sentence: None,
    watch: Watch = lambda history: None,
) -> Repeated:
    """Run an entry again, in its small form or as a whole, and write its figure down.

    Raises:
        MasonError: There is no such entry, or its data, its model or this machine do not allow it.
    """
    entry = find_entry(name)
    options: dict[str, Any] = {**entry.settings, **({} if whole else entry.small)}
    options |= {"output": output, "notice": notice, "watch": watch}
    options["command"] = shlex.join(entry.command(whole=whole, output=os.fspath(output)))
    data = [f"catalog:{one}" for one in entry.data]
    with running(name, small=not whole):
        if entry.verb == "train":
            results = train(data=data[0], task=entry.task, **options).results
        else:
            results = pretrain(data, objective=entry.task, **options).results
        found = measured_of(results, data)
    assert found is not None, "every entry measures something"
    deviation = None if whole else found.value - entry.expected.value
    return Repeated(entry, found, deviation)


def take_in(file: str | Path) -> tuple[int, int]:
    """Read the archive of Papers with Code into the board: how many figures, how many new.

    Raises:
        MasonError: The file cannot be read or is none, or the board cannot be written.
    """
    figures = list(read_archive(Path(file)))
    return len(figures), board().add_published(figures)


def export(folder: str | Path) -> Path:
    """Write the leaderboards as a page that needs nothing else; its path.

    Raises:
        MasonError: The board cannot be read, or the folder written.
    """
    kept = board()
    measured, figures = kept.measured(), kept.published()
    tables = [_table(entry, measured, figures) for entry in ENTRIES.values()]
    tables += _others(measured)
    with writing_folder(Path(folder), kind="leaderboards") as draft:
        (draft / "index.html").write_text(leaderboards(tables), encoding="utf-8")
    return Path(folder) / "index.html"


def _table(entry: Entry, measured: Sequence[Measured], figures: Sequence[Published]) -> Table:
    lines = [_line(found) for found in measured if found.entry == entry.name]
    papers = [
        Line(f.system, f.value, f.metric, source=f.source, note=f.difference)
        for f in entry.published
    ]
    papers += [
        Line(f.model, f.value, f.metric, source=f"{f.paper} ({f.date})")
        for f in _published_of(entry, figures)
    ]
    command = shlex.join(["mason", "catalog", "run", entry.name])
    paper = f"{entry.paper.authors} {entry.paper.year}, {entry.paper.title}"
    about = entry.dataset.title()
    return Table(
        entry.name, entry.task, about, entry.dataset.citation, paper, command, lines, papers
    )


def _others(measured: Sequence[Measured]) -> list[Table]:
    """A table for each task and data of runs that are no entry's."""
    groups: dict[tuple[str, str], list[Line]] = {}
    for found in measured:
        if not found.entry:
            groups.setdefault((found.task, found.data), []).append(_line(found))
    return [Table(data, task, "", "", "", "", lines, []) for (task, data), lines in groups.items()]


def _line(found: Measured) -> Line:
    return Line(
        found.model,
        found.value,
        found.metric,
        low=found.low,
        high=found.high,
        rows=found.rows,
        seconds=found.seconds,
        machine=found.machine,
        command=found.command,
        created=found.created,
        small=found.small,
    )
