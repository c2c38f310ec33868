"""What a benchmark found: a table to read, one line of JSON to compare, a dated page to keep.

A benchmark makes ``Row``s and ends with ``publish(name, rows)``. Its last line of output is
``{"name", "rows": [{"measure", "ours", "peer", "ratio", "goal", "met", "interval"}], "machine",
"versions"}``.
"""

import json
import os
import platform
import shlex
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

from rich.console import Console
from rich.table import Table as RichTable

RESULTS = Path(__file__).resolve().parents[1] / "docs" / "results"
PACKAGES = ("mason-lm", "torch", "transformers", "tokenizers", "safetensors", "scikit-learn")


@dataclass(frozen=True)
class Goal:
    """A bound on what we measure, or on its ratio to the peer's."""

    sign: Literal["≤", "≥"]
    limit: float
    of: Literal["ours", "ratio"] = "ours"

    def met(self, value: float) -> bool:
        """Whether a value is within the bound."""
        return bool(value <= self.limit if self.sign == "≤" else value >= self.limit)

    def __str__(self) -> str:
        return f"{self.sign} {shown(self.limit)}{' × peer' if self.of == 'ratio' else ''}"


@dataclass(frozen=True)
class Row:
    """One measure: ours, the peer's where there is one, what was asked for, ours' interval."""

    measure: str
    ours: float
    peer: float | None = None
    goal: Goal | None = None
    interval: tuple[float, float] | None = None

    @classmethod
    def of(
        cls,
        measure: str,
        told: Mapping[str, float],
        goal: Goal | None = None,
        peer: float | None = None,
    ) -> "Row":
        """Of an estimate as results have it: ``value``, ``low`` and ``high``."""
        return cls(measure, told["value"], peer, goal, (told["low"], told["high"]))

    def __str__(self) -> str:
        beside = "" if self.peer is None else f", peer {shown(self.peer)}"
        asked = "" if self.goal is None else f" ({self.goal}: {'yes' if self.met else 'NO'})"
        return f"{self.measure}: {self.told}{beside}{asked}"

    @property
    def told(self) -> str:
        """Ours, with its interval where there is one."""
        if self.interval is None:
            return shown(self.ours)
        low, high = self.interval
        return f"{shown(self.ours)} ({shown(low)} to {shown(high)})"

    @property
    def ratio(self) -> float | None:
        """Ours divided by the peer's."""
        return self.ours / self.peer if self.peer else None

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None where there is none."""
        if self.goal is None:
            return None
        value = self.ours if self.goal.of == "ours" else self.ratio
        assert value is not None, f"{self.measure}: a goal on the ratio needs a peer"
        return self.goal.met(value)

    def as_json(self) -> dict[str, Any]:
        """The row as the JSON line has it."""
        goal = None if self.goal is None else str(self.goal)
        found = {"measure": self.measure, "ours": self.ours, "peer": self.peer}
        found |= {"ratio": self.ratio, "goal": goal, "met": self.met}
        return {**found, "interval": self.interval}


@dataclass(frozen=True)
class Table:
    """A table of text, whose first ``labels`` columns are words and the others numbers."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    labels: int = 1

    @classmethod
    def of(cls, title: str, rows: Iterable[Row]) -> "Table":
        """The plain table of measures."""
        cells = [
            [
                row.measure,
                row.told,
                *("" if x is None else shown(x) for x in (row.peer, row.ratio)),
                str(row.goal or ""),
                {None: "", True: "yes", False: "NO"}[row.met],
            ]
            for row in rows
        ]
        return cls(title, ("measure", "ours", "peer", "ratio", "goal", "met"), cells)

    def rich(self) -> RichTable:
        """For a terminal."""
        table = RichTable(title=self.title, title_justify="left")
        for i, column in enumerate(self.columns):
            table.add_column(column, justify="left" if i < self.labels else "right")
        for row in self.rows:
            table.add_row(*row)
        return table

    def markdown(self) -> str:
        """For a page."""
        rules = ["---" if i < self.labels else "---:" for i in range(len(self.columns))]
        lines = [self.columns, rules, *self.rows]
        body = "\n".join("| " + " | ".join(line) + " |" for line in lines)
        return f"## {self.title}\n\n{body}\n"


def collect(parts: Mapping[str, Callable[[], Iterable[Row]]]) -> list[Row]:
    """The rows of all parts, each printed as it comes.

    A part that fails does not take the others' rows with it: what it told until then stays, and
    a row with a goal that is not met says that it failed.

    Args:
        parts: Each by its name, in the order they run.
    """
    rows: list[Row] = []
    for name, part in parts.items():
        try:
            for row in part():
                print(row, flush=True)
                rows.append(row)
        except Exception:
            traceback.print_exc()
            rows.append(Row(f"{name}: failed", 1, None, Goal("≤", 0)))
    return rows


def publish(
    name: str,
    rows: Sequence[Row],
    *,
    tables: Sequence[Table] | None = None,
    notes: str = "",
    save: bool = False,
) -> bool:
    """Print the tables and the line of JSON; return whether every goal is met.

    Args:
        name: The benchmark, as in ``python -m benchmarks.NAME``.
        rows: Everything that was measured.
        tables: What to show of it; None: all rows in one table.
        notes: What a reader must know, in Markdown: for the page.
        save: Also write ``docs/results/NAME-YYYY-MM-DD.md``, beside what other options of the
            same benchmark left there that day.
    """
    tables = [Table.of(name, rows)] if tables is None else tables
    # Wide enough for the longest row, so that a log has whole lines.
    console = Console(width=None if sys.stdout.isatty() else 140)
    for table in tables:
        console.print(table.rich())
    print(notes)
    missed = [row.measure for row in rows if row.met is False]
    print(f"goals missed: {', '.join(missed)}" if missed else "every goal is met")
    found = {
        "name": name,
        "rows": [row.as_json() for row in rows],
        "machine": dict(machine()),
        "versions": dict(versions()),
    }
    if save:
        page = _save(name, tables, notes)
        print(f"saved: {page.relative_to(RESULTS.parents[1])}")
    print(json.dumps(found, ensure_ascii=False))
    return not missed


def _save(name: str, tables: Sequence[Table], notes: str) -> Path:
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    facts = "\n".join(f"- {key}: {value}" for key, value in {**machine(), **versions()}.items())
    title, command = f"# {name}, {today}\n", f"`{_command()}`\n"
    parts = [command, notes, *(table.markdown() for table in tables)]
    text = "\n".join(part for part in (*parts, f"## Machine and versions\n\n{facts}\n") if part)
    RESULTS.mkdir(parents=True, exist_ok=True)
    page = RESULTS / f"{name}-{today}.md"
    # Parts that run one by one share a page; the same run again takes its own place there.
    before = page.read_text(encoding="utf-8") if page.exists() else ""
    others = [part.strip("\n") + "\n" for part in before.split(title) if part.strip()]
    kept = [part for part in others if not part.startswith(command)]
    page.write_text("\n".join(f"{title}\n{part}" for part in (*kept, text)), encoding="utf-8")
    return page


def _command() -> str:
    """How the page is made again; what names a place or a remark of this run is left out."""
    told: list[str] = []
    for argument in sys.argv[1:]:
        if argument.startswith("/") or told[-1:] in (["--note"], ["--work"]):
            told.pop()  # the option that it is the value of
        elif argument != "--save":
            told.append(argument)
    return shlex.join(["python", "-m", f"benchmarks.{Path(sys.argv[0]).stem}", *told])


def shown(value: float) -> str:
    """A number with four significant digits, or as a power of ten where it is tiny."""
    tiny = 0 < abs(value) < 1e-3
    return f"{value:.1e}".replace(".0e", "e") if tiny else f"{value:.4g}"


def machine() -> Mapping[str, Any]:
    """What the numbers were measured on."""
    import torch

    pages = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    facts = {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "memory_gib": round(pages / 2**30, 1),
    }
    if torch.cuda.is_available():
        facts["gpu"] = torch.cuda.get_device_name()
    return facts


def _processor() -> str:
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text(encoding="utf-8").splitlines() if facts.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def versions() -> Mapping[str, str]:
    """Python and the libraries that decide the numbers."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
