"""``mason resume``."""

from typing import Annotated

from cyclopts import Parameter

from mason.cli import options
from mason.cli.overrides import read_overrides
from mason.cli.terminal import Progress, announce, checkpoints_table, notice
from mason.language import say

Unfinished = Annotated[str, Parameter(help=say("The folder of a run that is not finished."))]
Verify = Annotated[
    bool, Parameter(help=say("Hold every checkpoint against its checksums; change nothing."))
]
Finish = Annotated[
    bool, Parameter(help=say("Take no further step: measure and write the best model so far."))
]


def resume(
    folder: Unfinished, *settings: options.Setting, verify: Verify = False, finish: Finish = False
) -> int:
    """Go on with a run that was stopped or killed, from its newest whole checkpoint."""
    if verify:
        from mason.workflows import verify_run

        found = verify_run(folder)
        checkpoints_table(found)
        return 0 if any(checked.problem is None for checked in found) else 1
    from mason.workflows import resume as go_on

    with Progress() as progress:
        run = go_on(
            folder, finish=finish, watch=progress, notice=notice, **read_overrides(settings)
        )
    announce(run.results, run.report)
    return 0
