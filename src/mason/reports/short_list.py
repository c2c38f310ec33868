"""A short list of models as one page: which to try, what needs none, what more labels would buy."""

from collections.abc import Sequence
from dataclasses import asdict
from math import ceil, floor, log10

from mason.advice.curves import Forecast
from mason.advice.short_list import Candidate, Doubt, ShortList
from mason.language import say
from mason.metrics import Estimate
from mason.reports.charts import Axis, Line, Point, axis, line_chart, scale_row, whisker
from mason.reports.label_errors import suspects
from mason.reports.markup import Part, escape, paragraph, sentences, table
from mason.reports.numbers import count, duration, magnitude, percent, size
from mason.reports.page import document

_MEASURES = {"accuracy": "", "r2": ", R²", "lrap": ", LRAP"}
_DOUBTS = 20
_LONGEST = 300
_DECADES = 100
"""How far rows reach before powers of ten alone are written below the picture."""


def short_list_page(found: ShortList) -> str:
    """The page, in the language in use."""
    first = Part(
        say("Try {model} first", model=found.best.model),
        "",
        f'<p class="lede">{escape(sentences(found.in_short))}</p>',
    )
    parts = [("models", _models(found)), ("labels", _more_labels(found))]
    if found.doubts:
        parts.append(("label-errors", _doubts(found.doubts)))
    looked = say(
        "{rows} of {all} {items} looked at; no model was trained.",
        rows=count(found.looked_at),
        all=count(found.num_rows),
        items=found.named_items,
    )
    kicker = f"{escape(say('Advice'))} · {escape(found.file)}"
    return document(first, parts, kicker=kicker, footer=escape(looked))


def column_names(found: ShortList) -> tuple[str, ...]:
    """What is told of each model, in the order of ``cells``, its name left out."""
    of = _MEASURES[found.measure]
    names = say("place"), say("linear probe") + of, say("neighbours") + of, "H-score", "LogME"
    return (*names, say("parameters"), say("memory"), say("time"), say("licence"))


def cells(one: Candidate) -> tuple[str, ...]:
    """A model's figures as people read them."""
    promise = one.promise
    return (
        f"{one.place:.2g}",
        _interval(promise.probe),
        f"{promise.neighbours:.1%}",
        "–" if promise.h_score is None else f"{promise.h_score:.3f}",
        f"{promise.log_me:+.4f}",
        magnitude(one.num_parameters),
        size(one.memory) if one.fits else say("{needed}: too much", needed=size(one.memory)),
        duration(one.seconds) if one.seconds is not None else "–",
        one.licence or "–",
    )


def _interval(score: Estimate) -> str:
    return f"{score.value:.1%} ({score.low:.1%}–{score.high:.1%})"


def _models(found: ShortList) -> Part:
    probes = [one.promise.probe for one in found.candidates]
    scale = axis([e.low for e in (*probes, found.words)], write=lambda v: percent(v, 0), high=1.0)
    place, probe, *others = column_names(found)
    rows = [_row(one, scale) for one in found.candidates]
    own = found.words
    bar = whisker(own.low, own.value, own.high, scale, "baseline")
    rows.append([escape(say("no language model")), bar, _interval(own), ""])
    rows.append(["", scale_row(scale), "", ""])
    more = [[_named(one), *map(escape, cells(one)[2:])] for one in found.candidates]
    told = [*found.of_models, *found.passed_over.values()]
    return Part(
        say("Which model?"),
        say(
            "What a linear map on each model's features makes of rows it has not seen, and what a "
            "fine-tuning run would need here. The first is the most promising by linear probe and "
            "neighbours together."
        ),
        table((say("model"), "", probe, place), rows, kind="stack whiskers", numeric=2)
        + table((say("model"), *others), more, kind="stack", numeric=len(others))
        + "".join(map(paragraph, told)),
    )


def _row(one: Candidate, scale: Axis) -> list[str]:
    probe = one.promise.probe
    bar = whisker(probe.low, probe.value, probe.high, scale)
    return [_named(one), bar, _interval(probe), escape(cells(one)[0])]


def _named(one: Candidate) -> str:
    return f"<strong>{escape(one.model)}</strong>"


def _more_labels(found: ShortList) -> Part:
    title = say("What would more labels buy?")
    if not found.forecasts:
        return Part(
            title,
            say("The score of the first model's linear map by the rows it learned from."),
            paragraph(say("These rows tell too little of it, or nothing is left to gain.")),
        )
    now = _point(*max(found.curve))
    ahead = found.forecasts
    lines = [
        Line(say("measured"), [_point(*seen) for seen in found.curve], "", dots=True),
        Line(say("foretold"), _onward(now, ahead, "value"), "second", dots=True),
        Line(say("likely at least"), _onward(now, ahead, "low"), "ideal"),
        Line(say("likely at most"), _onward(now, ahead, "high"), "ideal"),
    ]
    every = [y for line in lines for _, y in line.points]
    chart = line_chart(
        lines,
        title=say("Score by labelled rows"),
        description=sentences(found.of_more_rows),
        across=_rows_axis(found.curve[0][0], ahead[-1].rows),
        up=axis(every, write=lambda v: percent(v, 0), high=1.0 if max(every) > 0.9 else None),
        across_name=found.named_items,
    )
    rows = [
        (
            count(one.rows),
            percent(one.score.value),
            f"{100 * one.gain.value:+.1f} ({100 * one.gain.low:+.1f} … {100 * one.gain.high:+.1f})",
        )
        for one in ahead
    ]
    heads = (say("Labelled rows"), say("Score"), say("Points won, nine times in ten"))
    return Part(
        title,
        say(
            "The first model's linear map learned from ever more of your rows; many laws that go "
            "with that curve say how it may go on. A fine-tuned model starts higher and usually "
            "gains less."
        ),
        chart + table(heads, rows, kind="stack", numeric=2),
    )


def _point(rows: int, score: float) -> Point:
    """Rows by their power of ten: a score grows by about as much with each."""
    return log10(rows), score


def _onward(now: Point, ahead: Sequence[Forecast], end: str) -> list[Point]:
    return [now, *(_point(one.rows, float(getattr(one.score, end))) for one in ahead)]


def _rows_axis(first: int, last: int) -> Axis:
    powers = range(floor(log10(first)), ceil(log10(last)) + 1)
    round_numbers = [times * 10**power for power in powers for times in (1, 2, 5)]
    inside = [number for number in round_numbers if first <= number <= last]
    wide = last >= _DECADES * first
    shown = [n for n in inside if str(n).startswith("1")] if wide else inside
    return Axis(log10(first), log10(last), list(map(log10, shown)), lambda x: count(10**x))


def _doubts(doubts: Sequence[Doubt]) -> Part:
    rows = [{**asdict(one), "text": one.text[:_LONGEST]} for one in doubts[:_DOUBTS]]
    return Part(
        say("Which labels look wrong?"),
        say(
            "The first model's linear map, which had not seen these rows, finds another label "
            "likelier. Some of them are wrong, some are only hard: read them before any training."
        ),
        suspects(rows),
    )
