"""What an examination of data finds: one `Finding` a fault, ready for a screen or a report."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple

Severity = Literal["error", "warning", "note"]

MAX_EXAMPLES = 3
EXAMPLE_CHARACTERS = 80


class Example(NamedTuple):
    """A row that shows a finding: its number in the file and a short text."""

    row: int
    text: str


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One fault or peculiarity of a data set.

    ``code`` is its stable name. ``severity`` "error" refuses training. ``row`` is the first
    place, counted as in `Table.rows`; ``count`` and ``share`` say how many rows of the file
    have it, where that can be said. ``reason`` and ``fix`` are sentences in the user's
    language.
    """

    code: str
    severity: Severity
    file: str
    reason: str
    fix: str
    row: int | None = None
    column: str | None = None
    count: int | None = None
    share: float | None = None
    examples: tuple[Example, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The finding in types that JSON has."""
        return asdict(self) | {"examples": [e._asdict() for e in self.examples]}


def shorten(text: str, limit: int = EXAMPLE_CHARACTERS) -> str:
    """``text`` on one line, with control characters spelled out, cut to ``limit`` characters."""
    line = " ".join(text[: 4 * limit].split())
    line = "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in line)
    return line if len(line) <= limit else line[: limit - 1] + "…"


def examples_of(rows: Sequence[int], texts: Sequence[str]) -> tuple[Example, ...]:
    """The first few of the rows that show a finding."""
    pairs = zip(rows[:MAX_EXAMPLES], texts[:MAX_EXAMPLES], strict=True)
    return tuple(Example(int(row), shorten(text)) for row, text in pairs)
