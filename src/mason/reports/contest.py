"""Models side by side as one page: scores with intervals, and what the rows prove."""

from mason.evaluation.contest import Contest, Standing
from mason.language import say
from mason.reports.charts import Axis, axis, scale_row, whisker
from mason.reports.markup import Part, escape, paragraph, table
from mason.reports.page import document
from mason.reports.score_names import figure, is_share, score_in_words


def contest_page(found: Contest, data: str) -> str:
    """The page, in the language in use; ``data`` is what the rows are of."""
    told = [one.sentence for one in found.standings[1:]]
    only = told[0] if len(told) == 1 else ""
    title = only or say("{count} models on the same rows", count=len(found.standings))
    lede = say("{rows:,} rows; intervals of 95 %, of differences row by row.", rows=found.rows)
    first = Part(title, "", f'<p class="lede">{escape(lede)}</p>')
    parts = [("scores", _scores(found)), ("differences", _differences(found))]
    kicker = f"{escape(say('Comparison'))} · {escape(data)}"
    return document(first, parts, kicker=kicker, footer="Mason")


def _scores(found: Contest) -> Part:
    ends = [end for one in found.standings for end in (one.score.low, one.score.high)]
    top = 1.0 if is_share(found.score) else None
    scale = axis(ends, write=lambda v: figure(found.score, v), high=top)
    heads = [say("model"), "", score_in_words(found.score), say("Between")]
    rows = [
        [
            escape(one.model),
            whisker(one.score.low, one.score.value, one.score.high, scale),
            f"<strong>{escape(figure(found.score, one.score.value))}</strong>",
            escape(_ends(found.score, one.score.low, one.score.high)),
        ]
        for one in found.standings
    ]
    rows.append(["", scale_row(scale), "", ""])
    return Part(
        say("How good is each?"),
        say("The mean over the rows, with the interval that other rows like these would give."),
        table(heads, rows, kind="stack whiskers", numeric=2),
    )


def _differences(found: Contest) -> Part:
    others = [one for one in found.standings[1:] if one.difference is not None]
    ends = [end for one in others for end in _span(one)]
    scale = axis([0.0, *ends], write=lambda v: _signed(found.score, v))
    heads = [say("model"), "", say("to the first"), say("Between"), "p", say("p of all together")]
    rows = [_row(found.score, one, scale) for one in others]
    rows.append(["", scale_row(scale), "", "", "", ""])
    return Part(
        say("Is one better, or was it luck?"),
        say(
            "Differences from {first}, row by row, so that hard rows are hard for both. The last "
            "column keeps all comparisons together from erring more than once in twenty.",
            first=found.standings[0].model,
        ),
        table(heads, rows, kind="stack whiskers", numeric=4)
        + "".join(paragraph(one.sentence) for one in others),
    )


def _row(score: str, one: Standing, scale: Axis) -> list[str]:
    low, high = _span(one)
    assert one.difference is not None and one.adjusted is not None, "asked before"
    value = one.difference.value
    tone = "" if low > 0 or high < 0 else "baseline"
    return [
        escape(one.model),
        whisker(low, value, high, scale, tone),
        f"<strong>{escape(_signed(score, value))}</strong>",
        escape(f"{_signed(score, low)} … {_signed(score, high)}"),
        f"{one.p_value:.3g}",
        f"{one.adjusted:.3g}",
    ]


def _span(one: Standing) -> tuple[float, float]:
    assert one.difference is not None, "asked before"
    return one.difference.low, one.difference.high


def _signed(score: str, value: float) -> str:
    return f"{100 * value:+.1f}" if is_share(score) else f"{value:+.4f}"


def _ends(score: str, low: float, high: float) -> str:
    return f"{figure(score, low)}–{figure(score, high)}"
