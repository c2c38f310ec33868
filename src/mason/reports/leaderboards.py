"""Leaderboards as one page: what was measured here beside what papers say, table by table."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from mason.language import say
from mason.reports.markup import Part, escape, folded, paragraph, table
from mason.reports.numbers import count, decimal, duration
from mason.reports.page import document
from mason.reports.score_names import score_names


@dataclass(frozen=True)
class Line:
    """A figure: of a run here, with its interval and cost, or of a paper, with its source."""

    model: str
    value: float
    metric: str
    low: float | None = None
    high: float | None = None
    rows: int = 0
    seconds: float = 0.0
    machine: str = ""
    command: str = ""
    created: str = ""
    small: bool = False
    source: str = ""
    note: str = ""


@dataclass(frozen=True)
class Table:
    """A leaderboard: an entry of the catalogue, or the other runs on some data."""

    name: str
    task: str
    about: str
    citation: str
    paper: str
    command: str
    measured: Sequence[Line]
    published: Sequence[Line]


def leaderboards(tables: Sequence[Table]) -> str:
    """The page, in the language in use."""
    measured = sum(len(one.measured) for one in tables)
    published = sum(len(one.published) for one in tables)
    told = say(
        "{measured} measured here, {published} published; a figure that was measured here "
        "has its interval, its machine and the command that repeats it.",
        measured=count(measured),
        published=count(published),
    )
    first = Part(say("Leaderboards"), "", paragraph(told, "lede"))
    parts = [(_anchor(one.name, i), _part(one)) for i, one in enumerate(tables)]
    return document(first, parts, kicker=escape(say("The local catalogue")), footer="Mason")


def _anchor(name: str, place: int) -> str:
    return f"{re.sub('[^a-z0-9]+', '-', name.lower()).strip('-')}-{place}"


def _part(one: Table) -> Part:
    explained = one.about or say("Runs on these data that are no entry of the catalogue.")
    body = f"<pre>{escape(one.command)}</pre>" if one.command else ""
    body += _measured(one.measured) if one.measured else paragraph(say("Not yet measured here."))
    if one.published:
        body += _published(one.published)
    sources = [text for text in (one.paper, one.citation) if text]
    if sources:
        body += folded(say("Papers"), "".join(map(paragraph, sources)))
    return Part(f"{one.name} ({one.task})", explained, body)


def _measured(lines: Sequence[Line]) -> str:
    heads = (
        say("model"), say("score"), say("interval"), say("rows"), say("form"), say("time"),
        say("machine"), say("day"),
    )  # fmt: skip
    rows = [
        (
            escape(line.model),
            f"{escape(_named(line.metric))} {decimal(line.value, 4)}",
            _interval(line),
            count(line.rows) if line.rows else "–",
            _whole(say("small") if line.small else say("whole")),
            _whole(duration(line.seconds)),
            escape(line.machine),
            _whole(line.created[:10]),
        )
        for line in lines
    ]
    commands = dict.fromkeys(line.command for line in lines if line.command)
    shown = "".join(f"<pre>{escape(command)}</pre>" for command in commands)
    return table(heads, rows, kind="stack") + (folded(say("Commands"), shown) if shown else "")


def _published(lines: Sequence[Line]) -> str:
    heads = (say("published model"), say("score"), say("source"), say("why it may not compare"))
    rows = [
        (
            escape(line.model),
            f"{decimal(line.value, 4)} ({escape(line.metric)})",
            escape(line.source),
            escape(line.note),
        )
        for line in lines
    ]
    return table(heads, rows, kind="stack")


def _interval(line: Line) -> str:
    if line.low is None or line.high is None or line.low == line.high:
        return "–"
    return _whole(f"{decimal(line.low, 4)}–{decimal(line.high, 4)}")


def _whole(text: str) -> str:
    """Text that is not broken between lines."""
    return f'<span class="nowrap">{escape(text)}</span>'


def _named(metric: str) -> str:
    if metric == "held_loss":
        return say("held-out loss")
    return score_names().get(metric, (metric, ""))[0]
