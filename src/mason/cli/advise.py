"""``mason advise``."""

import json
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from mason.cli import options
from mason.cli.outputs import Found, check_found, write_found
from mason.cli.overrides import read_overrides
from mason.cli.terminal import console, notice
from mason.language import say

if TYPE_CHECKING:
    from mason.advice.short_list import ShortList

Labelled = Annotated[
    str, Parameter(help=say("A file, a folder with a file a split, a hub id, or catalog:NAME."))
]
Models = Annotated[
    str | None,
    Parameter(
        help=say("Names of models, a,b, or a folder of models; left out, those that need no hub.")
    ),
]
Rows = Annotated[int, Parameter(help=say("Most rows that are looked at."))]
Device = Annotated[str | None, Parameter(help=say("Where to compute: cpu, cuda or mps."))]
_SHOWN = 5


def advise(
    *settings: options.Setting,
    data: Labelled,
    models: Models = None,
    rows: Rows = 1000,
    device: Device = None,
    text: options.Text = None,
    label: options.Label = None,
    pair: options.Pair = None,
    group: options.Group = None,
    columns: options.Columns = None,
    encoding: options.Encoding = None,
    format: options.Format = None,
    output: Found = None,
    json_object: options.Json = False,
) -> int:
    """Rank models for a table by what their features tell of it, before one is trained."""
    from mason.workflows import advise as ask

    check_found(output)
    given = {"text": text, "label": label, "pair": pair, "group": group, "columns": columns}
    given |= {"encoding": encoding, "format": format}
    named = {f"data.{name}": value for name, value in given.items()}
    named |= {"training.device": device}
    found = ask(
        data,
        models.split(",") if models is not None else None,
        rows=rows,
        notice=notice,
        **read_overrides(settings) | {k: v for k, v in named.items() if v is not None},
    )
    if output is not None:
        from mason.reports.short_list import short_list_page

        write_found(output, found, short_list_page)
    if json_object:
        print(json.dumps(found.to_dict(), ensure_ascii=False))
    else:
        _show(found)
    return 0


def _show(found: "ShortList") -> None:
    from rich.table import Table

    from mason.reports.short_list import cells, column_names

    table = Table(box=None, pad_edge=False)
    table.add_column(say("model"), overflow="fold")
    for name in column_names(found):
        table.add_column(name, justify="right")
    for one in found.candidates:
        table.add_row(one.model, *cells(one))
    console().print(table)
    print(
        say(
            "{rows:,} of {all:,} {items} looked at; no model was trained. Memory and time are of "
            "a fine-tuning run.",
            items=found.named_items,
            rows=found.looked_at,
            all=found.num_rows,
        )
    )
    for sentence in (*found.sentences, *found.passed_over.values()):
        print(sentence)
    for doubt in found.doubts[:_SHOWN]:
        print(
            say(
                "  row {row}: {label}, perhaps {likelier} ({probability:.0%}): {text}",
                row=doubt.row,
                label=doubt.label,
                likelier=doubt.likelier,
                probability=doubt.probability,
                text=doubt.text[:100],
            )
        )
