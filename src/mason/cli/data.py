"""``mason data check`` and ``mason data show``."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from mason.cli import options
from mason.cli.terminal import findings_table
from mason.language import say

if TYPE_CHECKING:
    from mason.workflows import Sample

Checked = Annotated[
    str, Parameter(help=say("A file, a folder with a file a split, a hub id, or catalog:NAME."))
]
Lengths = Annotated[str | None, Parameter(help=say("Check lengths in this model's tokens."))]
Cut = Annotated[int | None, Parameter(help=say("Where texts will be cut."))]

Reading = Annotated[str, Parameter(help=say("The model whose tokens and template are used."))]
Row = Annotated[int | None, Parameter(help=say("Its number as errors count; else the first."))]
LossOn = Annotated[
    str | None,
    Parameter(help=say("Which turns are learned: answers (if left out), last or everything.")),
]
Template = Annotated[
    str | None, Parameter(help=say("chatml, for a model without a chat template."))
]


def check(
    file: Checked,
    *,
    task: options.Task = None,
    text: options.Text = None,
    label: options.Label = None,
    separator: options.Separator = None,
    target: options.Target = None,
    pair: options.Pair = None,
    group: options.Group = None,
    columns: options.Columns = None,
    encoding: options.Encoding = None,
    format: options.Format = None,
    model: Lengths = None,
    max_tokens: Cut = None,
    json_lines: options.JsonLines = False,
) -> int:
    """Find what is wrong with a table before training."""
    from mason.workflows import check as examine

    given = {"text": text, "label": label, "pair": pair, "group": group, "columns": columns}
    given |= {"separator": separator}
    given |= {"target": target}
    given |= {"encoding": encoding, "format": format}
    found = examine(file, task=task, model=model, max_tokens=max_tokens, **given)
    if json_lines:
        for finding in found:
            print(json.dumps(finding.to_dict(), ensure_ascii=False))
    elif found:
        findings_table(found)
    else:
        print(say("Nothing is wrong with {file}.", file=file))
    return 2 if any(finding.severity == "error" for finding in found) else 0


def show(
    file: Checked,
    *,
    model: Reading,
    task: options.Task = None,
    row: Row = None,
    loss_on: LossOn = None,
    chat_template: Template = None,
    text: options.Text = None,
    pair: options.Pair = None,
    target: options.Target = None,
    columns: options.Columns = None,
    encoding: options.Encoding = None,
    format: options.Format = None,
    json_object: options.Json = False,
) -> int:
    """Print a row token by token; ⟦what is learned⟧ stands in brackets, and green in a terminal.

    Ends with an error where the token that ends the model's turn is never learned.
    """
    from mason.workflows import show_row

    given = {"text": text, "pair": pair, "target": target, "columns": columns, "encoding": encoding}
    sample = show_row(
        file,
        task=task,
        model=model,
        row=row,
        loss_on=loss_on,
        chat_template=chat_template,
        format=format,
        **given,
    )
    if json_object:
        told = asdict(sample) | {"learned": sum(piece.learned for piece in sample.pieces)}
        print(json.dumps(told, ensure_ascii=False))
    else:
        _colour(sample)
    sample.check()
    return 0


def _colour(sample: "Sample") -> None:
    from rich.text import Text

    from mason.cli.terminal import console

    line = Text()
    for piece in sample.pieces:
        shown = piece.text.replace("\n", "⏎\n")
        if piece.learned:
            line.append(f"⟦{shown.rstrip(chr(10))}⟧", style="bold green")
            line.append("\n" * shown.endswith("\n"))
        else:
            line.append(shown if shown.endswith("\n") else f"{shown}|", style="dim")
    console().print(line, soft_wrap=True)
    print(
        say(
            "Row {row}: {tokens} tokens, {learned} of them learned.",
            row=sample.row,
            tokens=len(sample.pieces),
            learned=sum(piece.learned for piece in sample.pieces),
        )
    )
