"""``mason show``."""

from typing import Annotated

from cyclopts import Parameter

from mason.cli.terminal import console
from mason.language import say

Shown = Annotated[
    str,
    Parameter(help=say("A folder, .gguf file, hub id, modelscope:owner/name or short name.")),
]


def show(model: Shown) -> int:
    """Print a model's blocks with their sizes."""
    from rich.table import Table

    from mason.workflows.showing import show as look

    spec, parts = look(model)
    total = sum(part.num_parameters for part in parts if part.depth == 0)
    table = Table(box=None, pad_edge=False)
    table.add_column(say("part"), no_wrap=True)
    table.add_column(say("block"), style="dim")
    table.add_column(say("shape"), style="dim")
    table.add_column(say("parameters"), justify="right")
    for part in parts:
        name = "  " * part.depth + part.name
        table.add_row(name, part.kind, part.shape, f"{part.num_parameters:,}")
    print(
        say(
            "{model}: {topology}, width {width}, {layers} layers, {parameters:,} parameters",
            model=model,
            topology=spec.topology,
            width=spec.width,
            layers=sum(stack.depth for stack in (spec.encoder, spec.decoder) if stack),
            parameters=total,
        )
    )
    console().print(table)
    return 0
