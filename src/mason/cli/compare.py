"""``mason compare``."""

import json
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from mason.cli import options
from mason.cli.outputs import Found, check_found, write_found
from mason.cli.terminal import console
from mason.language import say

if TYPE_CHECKING:
    from mason.evaluation.contest import Contest, Standing

Models = Annotated[
    str,
    Parameter(help=say("Folders of trained models; the others are compared with the first.")),
]


def compare(
    *models: Models,
    data: options.Tested,
    output: Found = None,
    json_object: options.Json = False,
    reading: options.Reading = options.ANYHOW,
) -> int:
    """Say whether one trained model is better than another on the same rows, or by luck."""
    from mason.workflows import compare as contest

    check_found(output)
    found = contest(models, data, **reading.given())
    if output is not None:
        from mason.reports.contest import contest_page

        write_found(output, found, lambda one: contest_page(one, data))
    if json_object:
        print(json.dumps(found.to_dict(), ensure_ascii=False))
    else:
        _show(found)
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
        print(standing.sentence)


def _cells(standing: "Standing") -> tuple[str, ...]:
    score, difference = standing.score, standing.difference
    cells = [standing.model, f"{score.value:.4f} ({score.low:.4f}–{score.high:.4f})"]
    if difference is None or standing.p_value is None or standing.adjusted is None:
        return (*cells, "", "", "")
    told = f"{difference.value:+.4f} ({difference.low:+.4f} … {difference.high:+.4f})"
    return (*cells, told, f"{standing.p_value:.3g}", f"{standing.adjusted:.3g}")
