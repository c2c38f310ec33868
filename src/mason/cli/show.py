"""``mason show``."""

from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from mason.cli.terminal import console
from mason.language import say

if TYPE_CHECKING:
    from mason.training.published import Published

Shown = Annotated[
    str,
    Parameter(
        help=say(
            "A folder, .gguf file, hub id, modelscope:owner/name, short name, or a published shape."
        )
    ),
]


def show(model: Shown) -> int:
    """Print a model's blocks with their sizes."""
    from rich.table import Table

    from mason.models.shapes import SHAPES
    from mason.training.published import published
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
    if model in SHAPES:
        print(_pretrained(published(model)))
    return 0


def _pretrained(found: "Published") -> str:
    recipe = found.recipe
    sentence = say(
        "Pretrained in {paper} with {optimizer} at a peak rate of {rate}, schedule {schedule}, "
        "weight decay {decay}, {steps:,} steps of {tokens:,} tokens.",
        paper=found.paper,
        optimizer=recipe.get("optimizer", "adamw"),
        rate=recipe["learning_rate"],
        schedule=recipe["schedule"],
        decay=recipe["weight_decay"],
        steps=found.num_steps,
        tokens=found.tokens_per_batch,
    )
    unlike = say("Not as there: {what}.", what=found.unlike()) if found.unlike else ""
    return f"{sentence} {unlike}".strip()
