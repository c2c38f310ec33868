"""Labels that are probably wrong: what a simple method makes of rows it has not seen."""

from collections.abc import Iterable, Mapping
from typing import Any

from mason.language import say
from mason.reports.markup import Part, escape, paragraph, table
from mason.reports.numbers import count, percent
from mason.reports.schema import Results

_NAME = "label_errors"


def label_errors(results: Results) -> Part | None:
    """The most suspicious rows of the training data."""
    found: dict[str, Any] | None = results.extras.get(_NAME)
    if found is None:
        return None
    told = say(
        "Of {rows} training rows looked at, {count} seem to have a wrong label.",
        count=count(found["count"]),
        rows=count(found["looked_at"]),
    )
    return Part(
        say("Which labels look wrong?"),
        say(
            "Word counts and a linear model, which had not seen these rows, find another label "
            "likelier. Some of them are wrong, some are only hard: read them before more training."
        ),
        paragraph(told, "large") + (suspects(found["rows"]) if found["rows"] else ""),
    )


def suspects(rows: Iterable[Mapping[str, Any]]) -> str:
    """A table of rows whose label is probably wrong: row, text, label, likelier, probability."""
    cells = [
        [
            f'<span class="quote" dir="auto">{escape(one["text"])}</span>'
            f'<br><span class="muted">{escape(say("row {row}", row=count(one["row"])))}</span>',
            escape(one["label"]),
            escape(one["likelier"]),
            percent(one["probability"]),
        ]
        for one in rows
    ]
    heads = [say("Text"), say("Its label"), say("Perhaps"), say("How likely")]
    return table(heads, cells, kind="stack mistakes", numeric=1)
