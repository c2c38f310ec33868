"""Is it worse somewhere? Accuracy by length, label and source."""

from mason.language import say
from mason.reports.charts import axis, scale_row, whisker
from mason.reports.markup import Part, escape, paragraph, sentences, table
from mason.reports.numbers import count, percent
from mason.reports.schema import Results, Slice


def slices(results: Results) -> Part | None:
    """Every slice with its interval, those proved to be worse than the rest first."""
    found = results.evaluation.slices if results.evaluation else []
    if not found:
        return None
    scale = axis([s.low for s in found], write=lambda v: percent(v, 0), high=1.0)
    heads = [say("Texts that are"), "", say("Right"), say("Between"), say("Others"), say("Texts")]
    ordered = sorted(found, key=lambda s: (not s.worse, s.by))
    rows = [
        [
            f"{escape(_named(s))}{_mark(s)}",
            whisker(s.low, s.accuracy, s.high, scale, "baseline" if not s.worse else ""),
            f"<strong>{percent(s.accuracy)}</strong>",
            f"{percent(s.low)}–{percent(s.high)}",
            percent(s.rest),
            count(s.rows),
        ]
        for s in ordered
    ]
    rows.append(["", scale_row(scale), "", "", "", ""])
    return Part(
        say("Is it worse somewhere?"),
        say(
            "Right answers by kind of text. A kind is marked where it is worse than all other "
            "texts and chance does not explain it, however many kinds were looked at."
        ),
        paragraph(_sentence(found), "large") + table(heads, rows, kind="stack whiskers", numeric=4),
    )


def _sentence(found: list[Slice]) -> str:
    worse = sorted((s for s in found if s.worse), key=lambda s: s.accuracy)
    if not worse:
        return say("No kind of text is proved to be worse than the others.")
    return sentences(
        say(
            "Worse than elsewhere: {kind}, right on {share} of {rows} texts, others on {rest}.",
            kind=_named(s),
            share=percent(s.accuracy),
            rows=count(s.rows),
            rest=percent(s.rest),
        )
        for s in worse[:3]
    )


def _named(found: Slice) -> str:
    if found.by == "length":
        low, _, high = found.name.partition("–")
        return say("{low} to {high} tokens long", low=int(low), high=int(high))
    if found.by == "label":
        return say("labelled {label}", label=found.name)
    return say("from {source}", source=found.name)


def _mark(found: Slice) -> str:
    if not found.worse:
        return ""
    said = say("worse than the others (p = {p})", p=f"{found.adjusted:.2g}")
    return f'<br><span class="muted">{escape(said)}</span>'
