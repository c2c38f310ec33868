"""What the model wrote on its way, in order of time."""

from mason.language import say
from mason.reports.markup import Part, escape, heading, table
from mason.reports.numbers import count
from mason.reports.schema import Evaluation, Results

_SHOWN = 6
"""Evaluations on the page; the others are in results.json."""


def samples(results: Results) -> Part | None:
    """Each held-out passage and what was made of it, evaluation by evaluation."""
    found = results.training.evaluations if results.training else []
    evaluations = [e for e in found if e.samples]
    if not evaluations:
        return None
    last = len(evaluations) - 1
    shown = min(_SHOWN, last + 1)
    chosen = [evaluations[round(i * last / max(1, shown - 1))] for i in range(shown)]
    body = "".join(_passage(chosen, number) for number in range(len(chosen[0].samples or ())))
    return Part(
        say("What it wrote while it learned"),
        say(
            "The same unseen passages at each evaluation, the likeliest answer each time; below "
            "them what the text really says."
        ),
        body,
    )


def _passage(evaluations: list[Evaluation], number: int) -> str:
    told = [(e.step, e.samples[number]) for e in evaluations if e.samples]
    first = told[0][1]
    rows = [[count(step), _quote(sample["written"])] for step, sample in told]
    rows.append([escape(say("the text")), _quote(first["wanted"])])
    name = say("Passage {number}", number=number + 1)
    return (
        heading(name)
        + f"<p>{_quote(first['given'])}</p>"
        + table([say("Step"), say("What it wrote")], rows, kind="stack steps")
    )


def _quote(text: str) -> str:
    return f'<span class="quote" dir="auto">{escape(text)}</span>'
