"""Can its probabilities be believed? The reliability diagram and one sentence."""

from mason.language import say
from mason.reports.charts import Line, axis, reliability_chart
from mason.reports.markup import Part, facts, folded, paragraph, table
from mason.reports.numbers import count, decimal, percent
from mason.reports.schema import Calibration, CalibrationBin, Results


def certainty(results: Results) -> Part | None:
    """Calibration before and after the fitted temperature."""
    found = results.evaluation.calibration if results.evaluation else None
    if found is None:
        return None
    chart = _diagram(found) if found.bins else ""
    words = paragraph(_sentence(found), "large") + facts(_figures(found))
    return Part(
        say("Can its certainty be believed?"),
        say(
            "If it says 90% for a hundred texts, ninety should be right. Points under the diagonal "
            "are boasts, points above it are modesty."
        ),
        f'<div class="columns">{chart}<div>{words}</div></div>{_groups(found)}',
    )


def _groups(found: Calibration) -> str:
    """The points of the diagram as numbers."""
    heads = [say("How sure"), say("Share right"), say("Texts")]
    tables = [
        folded(
            name,
            table(
                heads,
                [[percent(b.confidence), percent(b.accuracy), count(b.count)] for b in bins],
                numeric=3,
            ),
        )
        for name, bins in (
            (say("The groups as numbers"), found.bins),
            (say("The groups as numbers, after correction"), found.bins_after),
        )
        if bins
    ]
    return "".join(tables)


def _sentence(found: Calibration) -> str:
    if found.chance_ece is not None and found.ece <= found.chance_ece:
        return say(
            "Its probabilities are honest: the error of {error} is no more than chance gives on "
            "this many texts ({chance}).",
            error=percent(found.ece),
            chance=percent(found.chance_ece),
        )
    if found.ece_after is not None and found.ece_after < found.ece:
        return say(
            "Raw probabilities are off by {before} on average; after one correction, dividing "
            "scores by {temperature}, by {after}.",
            before=percent(found.ece),
            temperature=decimal(found.temperature),
            after=percent(found.ece_after),
        )
    if found.overconfidence is not None and found.overconfidence < 0:
        return say(
            "It is too modest: probabilities are off by {error} on average.",
            error=percent(found.ece),
        )
    if found.overconfidence is not None and found.overconfidence > 0:
        return say(
            "It is too sure of itself: probabilities are off by {error} on average.",
            error=percent(found.ece),
        )
    return say("Probabilities are off by {error} on average.", error=percent(found.ece))


def _figures(found: Calibration) -> list[tuple[str, str]]:
    bias = found.overconfidence or 0.0
    pairs = [
        (say("calibration error (ECE)"), percent(found.ece)),
        (say("the same, after correction"), percent(found.ece_after)),
        (say("what chance alone would show"), percent(found.chance_ece)),
        (_bias_name(bias), percent(None if found.overconfidence is None else abs(bias))),
        (say("temperature (divides the scores)"), decimal(found.temperature)),
        (say("negative log-likelihood (0 is perfect)"), decimal(found.negative_log_likelihood)),
        (say("Brier score (0 is perfect)"), decimal(found.brier)),
    ]
    return [pair for pair in pairs if pair[1] != "–"]


def _bias_name(overconfidence: float) -> str:
    return say("less sure than right, by") if overconfidence < 0 else say("surer than right, by")


def _diagram(found: Calibration) -> str:
    before, after = _points(found.bins), _points(found.bins_after)
    curves = [Line(say("after correction"), after, "first")] if after else []
    curves.insert(0, Line(say("as it is") if not after else say("raw"), before, "second"))
    low = min(min(x, y) for x, y in before + after)
    scale = axis([low], write=lambda v: percent(v, 0), high=1.0)
    return reliability_chart(
        curves,
        title=say("Share right, by how sure it was"),
        description=say(
            "{number} groups of texts, from {low} to {high} sure.",
            number=len(found.bins),
            low=percent(min(x for x, _ in before), 0),
            high=percent(max(x for x, _ in before), 0),
        ),
        across=scale,
        up=scale,
        across_name=say("how sure it was"),
        ideal_name=say("perfectly honest"),
    )


def _points(bins: list[CalibrationBin]) -> list[tuple[float, float]]:
    return sorted((b.confidence, b.accuracy) for b in bins)
