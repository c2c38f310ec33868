"""The nearest training rows: what the model takes to be most like a text."""

from collections.abc import Mapping
from typing import Any

from mason.language import say
from mason.reports.markup import Part, escape, paragraph, table
from mason.reports.numbers import count, decimal
from mason.reports.schema import Results
from mason.reports.views import view_titles

Block = Mapping[str, Any]


def neighbours(results: Results) -> Part | None:
    """The block ``extras.neighbours``."""
    found = results.extras.get("neighbours")
    if not found:
        return None
    heads = [say("Text"), say("Label"), say("Row"), say("Cosine")]
    rows = [
        [
            escape(one["text"]),
            "–" if one["label"] is None else escape(one["label"]),
            count(one["row"]),
            decimal(one["similarity"], 3),
        ]
        for one in found["rows"]
    ]
    body = paragraph(found["text"], "words") + paragraph(agreement(found))
    return Part(
        view_titles()["neighbours"],
        say(
            "Rows whose vectors, as the model's head reads them, point most nearly where the "
            "text's does. Near is not the cause: the model might say the same without them."
        ),
        body + table(heads, rows, kind="stack mistakes", numeric=2),
    )


def agreement(found: Block) -> str:
    """What the labels of the nearest rows are, beside the answer, in one sentence."""
    searched, labels = count(found["searched"]), found["labels"]
    told = ", ".join(f"{label} ({count(number)})" for label, number in labels.items())
    if not labels:
        return say("Nearest of {searched} rows.", searched=searched)
    if found["answer"] is None:
        return say(
            "Labels of the nearest of {searched} rows: {told}.", searched=searched, told=told
        )
    return say(
        "The model says {answer}. Labels of the nearest of {searched} rows: {told}.",
        answer=found["answer"],
        searched=searched,
        told=told,
    )
