"""``mason export``."""

from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from mason.cli import options
from mason.cli.terminal import console
from mason.language import say

if TYPE_CHECKING:
    from mason.export.writing import Exported

Target = Annotated[
    str,
    Parameter(help=say("The folder to write, or the name of a file in it, such as shop.onnx.")),
]
Kind = Annotated[
    str | None,
    Parameter(help=say("onnx, page, gguf, executorch or litert; else by TARGET's name.")),
]
Precision = Annotated[
    str | None,
    Parameter(help=say("Of the weights: fp32 or int8; for gguf f16, q8_0, q4_1 or q4_0.")),
]
Texts = Annotated[
    str | None,
    Parameter(help=say("Texts that prove it; those it was trained on if left out.")),
]
Tolerance = Annotated[
    float | None, Parameter(help=say("The largest difference of two outputs that is allowed."))
]


def export(
    model: options.Trained,
    target: Target,
    *,
    format: Kind = None,
    precision: Precision = None,
    data: Texts = None,
    text: options.Text = None,
    pair: options.Pair = None,
    tolerance: Tolerance = None,
) -> int:
    """Write a model in a format that other programs run, and prove that it is the same."""
    from mason.workflows import export as write

    exported = write(
        model,
        target,
        format=format,
        precision=precision,
        data=data,
        tolerance=tolerance,
        text=text,
        pair=pair,
    )
    _tell(exported)
    return 0


def _tell(exported: "Exported") -> None:
    from rich.table import Table

    from mason.export.card import figures

    proof = exported.proof
    table = Table(box=None, pad_edge=False)
    table.add_column(say("{count} texts, {origin}", count=proof.num_inputs, origin=proof.origin))
    table.add_column(say("model"), justify="right")
    table.add_column(proof.runtime, justify="right")
    for row in figures(exported):
        table.add_row(*row)
    console().print(table)
    print(say("Written: {path}", path=exported.path))
