"""``mason merge``: an adapter becomes part of plain weights."""

from typing import Annotated

from cyclopts import Parameter

from mason.cli.terminal import notice
from mason.errors import SettingsError
from mason.language import say

Adapted = Annotated[str, Parameter(help=say("The folder of a model with an adapter."))]
Written = Annotated[str | None, Parameter(help=say("The folder to write the plain model to."))]
Half = Annotated[bool, Parameter(help=say("Round the weights to bf16, in half the bytes."))]
Tolerance = Annotated[
    float | None,
    Parameter(help=say("Largest difference of an output, over the largest output; else 0.001.")),
]


def merge(
    folder: Adapted, *, output: Written = None, half: Half = False, tolerance: Tolerance = None
) -> int:
    """Write the plain model that a model with an adapter amounts to, if their outputs agree."""
    if output is None:
        raise SettingsError("There is no folder to write to; give one with --output.")
    from mason.workflows.merging import TOLERANCE, merge_adapter

    limit = TOLERANCE if tolerance is None else tolerance
    merge_adapter(folder, output, half=half, tolerance=limit, notice=notice)
    print(output)
    return 0
