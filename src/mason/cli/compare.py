"""``mason compare``."""

from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from mason.cli import options
from mason.cli.terminal import console
from mason.language import say

if TYPE_CHECKING:
    from mason.workflows.comparing import Contest, Standing

Models = Annotated[
    str,
    Parameter(help=say("Folders of trained models; the others are compared with the first.")),
]


def compare(
    *models: Models,
    data: options.Tested,
    reading: options.Reading = options.ANYHOW,
) -> int:
    """Say whether one trained model is better than another on the same rows, or by luck."""
    from mason.workflows import compare as contest

    _show(contest(models, data, **reading.given()))
    return 0


def _show(contest: "Contest") -> None:
    from rich.table import Table

    from mason.reports.score_names import score_in_words

    table = Table(box=None, pad_edge=False)
    table.add_column(say("model"))
    names = (score_in_words(contest.score), say("to the first"), "p", say("p of all together"))
    for name in names:
        table.add_column(name, justify="right")
    for standing in contest.standings:
        table.add_row(*_cells(standing))
    console().print(table)
    print(say("{rows:,} rows; intervals of 95 %, of differences row by row.", rows=contest.rows))
    for standing in contest.standings[1:]:
        print(_verdict(standing))


def _cells(standing: "Standing") -> tuple[str, ...]:
    score, difference = standing.score, standing.difference
    cells = [standing.model, f"{score.value:.4f} ({score.low:.4f}–{score.high:.4f})"]
    if difference is None or standing.p_value is None or standing.adjusted is None:
        return (*cells, "", "", "")
    told = f"{difference.value:+.4f} ({difference.low:+.4f} … {difference.high:+.4f})"
    return (*cells, told, f"{standing.p_value:.3g}", f"{standing.adjusted:.3g}")


def _verdict(standing: "Standing") -> str:
    difference, told = standing.difference, standing.adjusted
    assert difference is not None and told is not None, "the first is compared with nothing"
    if told < 0.05 and difference.value > 0:
        return say("{model} is better than the first.", model=standing.model)
    if told < 0.05:
        return say("{model} is worse than the first.", model=standing.model)
    if standing.smallest is None:
        return say("{model}: no proof of a difference.", model=standing.model)
    return say(
        "{model}: no proof of a difference; these rows show one of {points:.1f} points or more, "
        "four times in five.",
        model=standing.model,
        points=standing.smallest * 100,
    )
