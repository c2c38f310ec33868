"""What each step of shrinking costs and gains: one table, one picture, and the test."""

from collections.abc import Sequence

from mason.language import say
from mason.reports.charts import Line, axis, scatter_chart
from mason.reports.compression_block import Compression, Shrunk, Span
from mason.reports.markup import Part, escape, heading, paragraph, table
from mason.reports.numbers import count, decimal, size
from mason.reports.schema import Results
from mason.reports.score_names import figure, score_in_words


def compression(results: Results) -> Part | None:
    """The ladder of a search for a smaller model."""
    found = results.compression
    if found is None:
        return None
    body = paragraph(_verdict(found), "large") + paragraph(_tested(found)) + _picture(found)
    body += heading(say("Everything that was tried")) + _table(found)
    if found.left_out:
        body += heading(say("The chosen one without one of its steps")) + _left_out(found)
    body += paragraph(say("How it is computed: {engine}.", engine=found.engine))
    return Part(
        say("What was given for what"),
        say(
            "Each row is a model that was built and measured on this machine, in a process of its "
            "own; scores here are of the {rows} texts that choose.",
            rows=count(found.rows),
        ),
        body,
    )


def _chosen(found: Compression) -> Shrunk:
    return next(one for one in found.tried if one.chosen)


def _verdict(found: Compression) -> str:
    kept, before = _chosen(found), found.original
    return say(
        "{smaller} times smaller and {faster} times faster on a text alone: {what}.",
        smaller=decimal(before.num_bytes / kept.num_bytes, 2),
        faster=decimal(before.p50 / kept.p50, 2),
        what=kept.what,
    )


def _tested(found: Compression) -> str:
    test = found.test
    told = {"score": figure(found.score, test.score)}
    told |= {"original": figure(found.score, test.original)}
    return say(
        "{name} on {rows} texts that chose nothing: {score}, of the original {original}: "
        "{points} points, between {low} and {high} (p = {p}).",
        **told,
        name=score_in_words(found.score),
        rows=count(test.rows),
        points=_points(test.difference.value),
        low=_points(test.difference.low),
        high=_points(test.difference.high),
        p=decimal(test.p_value, 2),
    )


def _points(share: float) -> str:
    return f"{100 * share:+.1f}"


def _picture(found: Compression) -> str:
    def points(rows: Sequence[Shrunk]) -> list[tuple[float, float]]:
        return [(row.num_bytes / 1e6, row.score) for row in rows]

    before = (found.original.num_bytes / 1e6, found.original.score.value)
    front = sorted((row for row in found.tried if row.front), key=lambda row: row.num_bytes)
    groups = [
        Line(say("no other is smaller and better"), points(front), ""),
        Line(say("others"), points([r for r in found.tried if not r.front]), "faint", True),
        Line(say("kept"), points([_chosen(found)]), "third", True),
        Line(say("as it was"), [before], "second", True),
    ]
    every = [point for group in groups for point in group.points]
    return scatter_chart(
        groups,
        title=say("Size against score"),
        description=say(
            "{score} over size in MB, a point for each model.", score=score_in_words(found.score)
        ),
        across=axis([x for x, _ in every], low=0),
        up=axis([y for _, y in every], write=lambda value: figure(found.score, value)),
        across_name=say("MB on disk"),
    )


def _table(found: Compression) -> str:
    before = found.original
    first = [
        escape(say("as it was")),
        size(before.num_bytes),
        size(before.peak_memory_bytes),
        decimal(before.p50),
        decimal(before.p99),
        count(before.texts_per_second),
        escape(figure(found.score, before.score.value)),
        "",
        "",
    ]
    rows = [_row(one, found.score) for one in found.tried]
    heads = [
        say("Steps"),
        say("Disk"),
        say("Memory"),
        say("ms a text"),
        say("slow one in a hundred"),
        say("texts a second"),
        score_in_words(found.score),
        say("Difference"),
        say("p"),
    ]
    return table(heads, [first, *rows], kind="stack", numeric=8)


def _row(one: Shrunk, score: str) -> list[str]:
    name = escape(one.what)
    return [
        f"<strong>{name}</strong>" if one.chosen else name,
        size(one.num_bytes),
        size(one.peak_memory_bytes),
        decimal(one.p50),
        decimal(one.p99),
        count(one.texts_per_second),
        escape(figure(score, one.score)),
        _range(one.difference),
        decimal(one.p_value, 2),
    ]


def _range(drop: Span) -> str:
    return escape(f"{_points(drop.value)} ({_points(drop.low)} … {_points(drop.high)})")


def _left_out(found: Compression) -> str:
    kept = _chosen(found)
    rows = [
        [
            escape(one.what),
            f"{one.num_bytes / kept.num_bytes:.2f}×",
            f"{one.p50 / kept.p50:.2f}×",
            _points((one.score - kept.score) / found.unit),
        ]
        for one in found.left_out
    ]
    heads = [say("Steps that are left"), say("Disk"), say("Time"), say("Points")]
    return table(heads, rows, numeric=3)
