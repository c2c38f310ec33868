"""The data: how many rows, of which labels, how long, and what the doctor found."""

from mason.language import say
from mason.reports.charts import axis, histogram
from mason.reports.markup import (
    Part,
    bar,
    escape,
    facts,
    folded,
    heading,
    paragraph,
    sentences,
    table,
)
from mason.reports.numbers import count, decimal, percent
from mason.reports.schema import Data, Example, Finding, LabelCount, Lengths, Results

MOST_LABELS = 14


def data(results: Results) -> Part | None:
    """What the model learned from."""
    found = results.data
    if found is None:
        return None
    names = {
        "train": say("to learn from"),
        "valid": say("to choose the best step"),
        "test": say("to test on"),
    }
    pairs = [(names.get(split, split), count(rows)) for split, rows in found.rows.items()]
    body = [facts(pairs), _origin(found)]
    columns = []
    if found.labels:
        columns.append(f"<div>{heading(say('Labels'))}{_labels(found.labels)}</div>")
    if found.lengths is not None:
        columns.append(f"<div>{heading(say('Text lengths'))}{_lengths(found.lengths)}</div>")
    body.append(f'<div class="columns">{"".join(columns)}</div>' if columns else "")
    if found.findings is not None:
        body.append(heading(say("What the data doctor found")) + _findings(found.findings))
    return Part(
        say("The data"),
        say(
            "A model is as good as its rows: what it saw, how the labels are spread, and what to "
            "mend."
        ),
        "".join(body),
    )


def _origin(found: Data) -> str:
    parts = []
    if found.file:
        parts.append(say("From {file}.", file=found.file))
    if found.split:
        parts.append(found.split)
    if found.languages:
        parts.append(say("Languages: {codes}.", codes=", ".join(found.languages)))
    return paragraph(sentences(parts)) if parts else ""


def _labels(labels: list[LabelCount]) -> str:
    ordered = sorted(labels, key=lambda label: -label.train)
    largest = max((label.train for label in ordered), default=0) or 1
    rows = [
        [
            escape(label.label),
            bar(label.train / largest),
            count(label.train),
            count(label.valid),
            count(label.test),
        ]
        for label in ordered
    ]
    heads = [say("Label"), "", say("Train"), say("Valid"), say("Test")]
    shown = table(heads, rows[:MOST_LABELS], kind="bars", numeric=3)
    if len(rows) > MOST_LABELS:
        rest = table(heads, rows[MOST_LABELS:], kind="bars", numeric=3)
        shown += folded(say("The other {number} labels", number=len(rows) - MOST_LABELS), rest)
    return shown


def _lengths(lengths: Lengths) -> str:
    pairs = [
        (say("half are at most"), decimal(lengths.median)),
        (say("90% are at most"), decimal(lengths.p90)),
        (say("99% are at most"), decimal(lengths.p99)),
        (say("the longest"), count(lengths.max)),
    ]
    words = paragraph(say("In tokens, the word pieces a model reads; most words are one or two."))
    if lengths.limit is not None:
        words += paragraph(
            say(
                "The model reads {limit} tokens at most; {share} of the texts do not fit "
                "and are cut.",
                limit=count(lengths.limit),
                share=percent(lengths.share_cut, 2 if 0 < lengths.share_cut < 0.001 else 1),
            )
        )
    return facts(pairs) + (_length_chart(lengths) if lengths.histogram else "") + words


def _length_chart(lengths: Lengths) -> str:
    bins = lengths.histogram
    mark = None
    if lengths.limit is not None:
        mark = (float(lengths.limit), say("cut here"))
    return histogram(
        bins,
        title=say("Texts by length"),
        description=say(
            "Half of the texts have at most {median} tokens, the longest has {longest}.",
            median=decimal(lengths.median),
            longest=count(lengths.max),
        ),
        across=axis([bins[0][0], bins[-1][1]], write=count, snug=True),
        up=axis([n for _, _, n in bins], write=count, low=0),
        across_name=say("tokens"),
        mark=mark,
    )


def _findings(findings: list[Finding]) -> str:
    if not findings:
        return paragraph(say("Nothing: no empty, repeated, leaking or broken rows."))
    order = {"error": 0, "warning": 1}
    rows = [_finding(f) for f in sorted(findings, key=lambda f: order.get(f.severity, 2))]
    return table(
        [say("Severity"), say("Finding"), say("Where"), say("Rows")],
        rows,
        kind="stack findings",
        numeric=1,
    )


def _finding(finding: Finding) -> list[str]:
    severity = {"error": say("serious"), "warning": say("warning"), "note": say("note")}
    kind = finding.severity if finding.severity in severity else "note"
    what = f"<p>{escape(finding.reason)}</p>"
    if finding.fix:
        what += f'<p class="fix">{escape(say("What to do: {fix}", fix=finding.fix))}</p>'
    if finding.examples:
        items = "".join(f"<li>{_example(example)}</li>" for example in finding.examples)
        what += folded(say("Examples: {number}", number=len(finding.examples)), f"<ul>{items}</ul>")
    what += f'<p class="code">{escape(finding.code)}</p>'
    where = [finding.file]
    if finding.row is not None:
        where.append(say("row {row}", row=count(finding.row)))
    if finding.column:
        where.append(say("column {column}", column=finding.column))
    rows = "–" if finding.count is None else count(finding.count)
    if finding.share is not None:
        rows += f'<br><span class="muted">{percent(finding.share)}</span>'
    return [
        f'<span class="badge {kind}">{escape(severity.get(kind, finding.severity))}</span>',
        what,
        "<br>".join(escape(part) for part in where if part),
        rows,
    ]


def _example(example: Example) -> str:
    text = f'<span dir="auto">{escape(example.text)}</span>'
    if example.row is None:
        return text
    place = escape(say("row {row}", row=count(example.row)))
    return f'{text} <span class="muted">{place}</span>'
