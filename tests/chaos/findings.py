"""The table of what was tried, how often, and what came of it."""

import platform
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.report import RESULTS, machine, versions


@dataclass
class Findings:
    """Collects a row an experiment, and writes the page."""

    save: bool = False
    rows: list[tuple[str, ...]] = field(default_factory=list)

    def add(self, what: str, times: int, result: str) -> None:
        """One experiment: what was done, how often, and what came of it."""
        self.rows.append((what, f"{times:,}", result))
        if self.save:
            self._publish()

    def _publish(self) -> None:
        """Write ``docs/results/chaos-YYYY-MM-DD.md``; rows of today not made again stay."""
        today = f"{datetime.now(UTC):%Y-%m-%d}"
        page = RESULTS / f"chaos-{today}.md"
        rows = {row[0]: row for row in (*_rows(page), *self.rows)}
        facts = {**machine(), "kernel": platform.release(), **versions()}
        lines = "\n".join(f"- {name}: {value}" for name, value in facts.items())
        table = "\n".join("| " + " | ".join(row) + " |" for row in (*_HEAD, *rows.values()))
        page.write_text(
            f"# chaos, {today}\n\n`make chaos`\n\n{_NOTES}\n{table}\n\n"
            f"## Machine and versions\n\n{lines}\n",
            encoding="utf-8",
        )


def _rows(page: Path) -> list[tuple[str, ...]]:
    if not page.exists():
        return []
    lines = page.read_text(encoding="utf-8").splitlines()
    cells = [tuple(c.strip() for c in line[1:-1].split("|")) for line in lines if line[:1] == "|"]
    return cells[len(_HEAD) :]


_HEAD = (("what was done", "times", "result"), ("---", "---:", "---"))
_NOTES = """\
Each row is a test under [tests/chaos/](../../tests/chaos/); a row is written only when its
assertions hold. "Bit-equal" compares every loss of log.jsonl and the final model.safetensors with
a run that nobody disturbed: fp32 on the CPU, one thread, dropout 0.1. The commands are processes
of their own, forked from one that has imported PyTorch (a start would otherwise be ten times the
run); rows that say "full starts" begin with the interpreter.
"""
