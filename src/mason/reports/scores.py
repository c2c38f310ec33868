"""Every score with its interval, against something simpler, and label by label."""

from mason.language import say
from mason.reports.charts import Axis, axis, scale_row, whisker
from mason.reports.markup import Part, escape, folded, heading, paragraph, sentences, table
from mason.reports.nats import nats_in_words
from mason.reports.numbers import count, decimal, percent
from mason.reports.overview import scored_rows
from mason.reports.schema import ClassRow, Interval, Results, Scored
from mason.reports.score_names import score_names, scores_of

MOST_LABELS = 14
FIRST = (
    *("accuracy", "macro_f1", "subset_accuracy", "lrap"),
    *("word_accuracy", "entity_f1", "exact_match", "f1", "pearson"),
    *("mrr", "recall_at_1", "recall_at_10"),
    *("bleu", "chrf", "rougeL", "same_tree", "exact_completion", "edit_similarity"),
    *("token_accuracy", "preferred", "reward_accuracy"),
)
"""What a layperson should look at; the rest is folded."""


def scores(results: Results) -> Part | None:
    """Scores over all rows, baselines beside them, then each label."""
    scored = results.evaluation
    told = scored and (scored.scores or scored.per_class or scored.baselines or scored.nats)
    if scored is None or not told:
        return None
    body = _overall(scored) if scored.scores or scored.baselines else ""
    if scored.signatures:
        body += paragraph("; ".join(f"{n}: {s}" for n, s in scored.signatures.items()), "muted")
    if "mae" in scored.distances:
        body += paragraph(distance_in_words(scored.distances["mae"]))
    body += "".join(map(paragraph, nats_in_words(scored)))
    if scored.per_class:
        body += heading(say("Label by label")) + _per_class(scored.per_class)
    return Part(
        say("How good it is"),
        say(
            "Scored on {rows}. The dot is the score; the line is where the true value lies, with "
            "{confidence} confidence.",
            rows=scored_rows(scored),
            confidence=percent(scored.confidence, 0),
        ),
        body,
    )


def distance_in_words(mae: Interval) -> str:
    """How far off predicted numbers are."""
    return say(
        "On average {value} off ({low} to {high}), in the unit of the numbers.",
        value=decimal(mae.value),
        low=decimal(mae.low),
        high=decimal(mae.high),
    )


def _overall(scored: Scored) -> str:
    names = score_names()
    ordered = [n for n in names if n in scored.scores] + [
        n for n in scored.scores if n not in names
    ]
    rivals = [(b.name, *one) for b in scored.baselines for one in scores_of(b).items()]
    # With one label a text, micro F1 only says again what accuracy says.
    first_looks = FIRST if "accuracy" in scored.scores else (*FIRST, "micro_f1")
    rivals = [rival for rival in rivals if rival[1] in first_looks]
    shown = [n for n in ordered if n in first_looks or n not in names]
    folded_in = [n for n in ordered if n not in shown]
    # Each table has its own: what is folded away may reach far below what is shown.
    scale = _scale([*(scored.scores[n] for n in shown), *(score for *_, score in rivals)])
    first = [_score_row(*names.get(n, (n, "")), scored.scores[n], scale) for n in shown]
    baselines = [
        _score_row(
            f"{rival} · {names.get(kind, (kind, kind))[0]}",
            say("Something simpler, on the same texts."),
            score,
            scale,
            "baseline",
        )
        for rival, kind, score in rivals
    ]
    body = _whiskers(first + baselines, scale) if first or baselines else ""
    if not folded_in:
        return body
    scale = _scale([scored.scores[n] for n in folded_in])
    rest = [_score_row(*names[n], scored.scores[n], scale) for n in folded_in]
    return body + folded(say("Other averages"), _whiskers(rest, scale))


def _whiskers(rows: list[list[str]], scale: Axis) -> str:
    heads = [say("Score"), "", say("Value"), say("Between")]
    return table(heads, [*rows, ["", scale_row(scale), "", ""]], kind="stack whiskers", numeric=2)


def _score_row(
    name: str, explanation: str, score: Interval, scale: Axis, tone: str = ""
) -> list[str]:
    return [
        f'{escape(name)}<br><span class="muted">{escape(explanation)}</span>',
        whisker(score.low, score.value, score.high, scale, tone),
        f"<strong>{percent(score.value)}</strong>",
        f"{percent(score.low)}–{percent(score.high)}",
    ]


def _scale(intervals: list[Interval]) -> Axis:
    lows = [interval.low for interval in intervals]
    return axis(lows, write=lambda v: percent(v, 0), high=1.0)


def _per_class(classes: list[ClassRow]) -> str:
    lows = [c.f1 if c.low is None else c.low for c in classes if c.f1 is not None]
    scale = axis([low for low in lows if low is not None], write=lambda v: percent(v, 0), high=1.0)
    weakest_first = sorted(classes, key=lambda c: (c.f1 is None, c.f1 or 0.0))
    rows = [_class_row(c, scale) for c in weakest_first]
    note = say(
        "Weakest first. Precision: when it says this label, how often it is right. Recall: of this "
        "label's texts, how many it found. F1 is high only when both are."
    )
    absent = any(c.f1 is None for c in classes)
    if absent:
        note = sentences([note, say("A dash marks a label that no tested text has.")])
    shown = paragraph(note) + _class_table(rows[:MOST_LABELS], scale)
    if len(rows) > MOST_LABELS:
        rest = _class_table(rows[MOST_LABELS:], scale)
        shown += folded(say("The other {number} labels", number=len(rows) - MOST_LABELS), rest)
    return shown


def _class_table(rows: list[list[str]], scale: Axis) -> str:
    heads = [
        say("Label"),
        "",
        say("F1"),
        say("Between"),
        say("Precision"),
        say("Recall"),
        say("Texts"),
    ]
    rows = [*rows, ["", scale_row(scale), "", "", "", "", ""]]
    return table(heads, rows, kind="stack whiskers classes", numeric=5)


def _class_row(row: ClassRow, scale: Axis) -> list[str]:
    drawn = between = ""
    if row.f1 is not None:
        low = row.f1 if row.low is None else row.low
        high = row.f1 if row.high is None else row.high
        drawn = whisker(low, row.f1, high, scale)
        between = f"{percent(low)}–{percent(high)}"
    return [
        escape(row.label),
        drawn,
        f"<strong>{percent(row.f1)}</strong>",
        between,
        percent(row.precision),
        percent(row.recall),
        count(row.support),
    ]
