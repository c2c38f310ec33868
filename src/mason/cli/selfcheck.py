"""``mason selfcheck``."""

from typing import Annotated, Literal

from cyclopts import Parameter

from mason.cli.terminal import console
from mason.language import say

Device = Annotated[
    Literal["auto", "cpu", "cuda", "mps"],
    Parameter(help=say("Where to compute; auto takes the first accelerator there is.")),
]


def selfcheck(*, device: Device = "auto") -> int:
    """Check on this machine, in about a minute, that every fast path computes what it must."""
    from rich.table import Table

    from mason.runtime import pick_device
    from mason.workflows.selfchecking import selfcheck as look

    checks = list(look(device))
    table = Table(box=None, pad_edge=False)
    for name in (say("check"), say("found")):
        table.add_column(name)
    table.add_column(say("seconds"), justify="right")
    table.add_column("")
    for check in checks:
        mark = say("passed") if check.passed else say("FAILED")
        table.add_row(check.name, check.found, f"{check.seconds:.1f}", mark)
    console().print(table)
    failed = sum(not check.passed for check in checks)
    place = pick_device(device).type
    if failed:
        print(
            say(
                "{failed} of {all} checks failed on {device}.",
                failed=failed,
                all=len(checks),
                device=place,
            )
        )
        return 1
    print(say("All {all} checks passed on {device}.", all=len(checks), device=place))
    return 0
