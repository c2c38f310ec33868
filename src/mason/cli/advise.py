"""``mason advise``."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from mason.cli import options
from mason.cli.outputs import whole_file
from mason.cli.overrides import read_overrides
from mason.cli.terminal import console, notice
from mason.language import say

if TYPE_CHECKING:
    from mason.advice.short_list import Candidate, ShortList

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
Written = Annotated[str | None, Parameter(help=say("A JSON file to write."))]
Json = Annotated[bool, Parameter(name="--json", help=say("Print one JSON object."))]
_SHOWN = 5
_NAMES = {"accuracy": "", "r2": ", R²", "lrap": ", LRAP"}


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
    output: Written = None,
    json_object: Json = False,
) -> int:
    """Rank models for a table by what their features tell of it, before one is trained."""
    from mason.workflows import advise as ask

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
    told = json.dumps(found.to_dict(), ensure_ascii=False)
    if output is not None:
        with whole_file(Path(output)) as stream:
            stream.write(f"{told}\n".encode())
    if json_object:
        print(told)
    else:
        _show(found)
    return 0


def _show(found: "ShortList") -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column(say("model"), overflow="fold")
    of = _NAMES[found.measure]
    names: tuple[str, ...] = (
        say("place"),
        say("linear probe") + of,
        say("neighbours") + of,
        "H-score",
        "LogME",
    )
    names += (say("parameters"), say("memory"), say("time"), say("licence"))
    for name in names:
        table.add_column(name, justify="right")
    for one in found.candidates:
        table.add_row(*_cells(one))
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


def _cells(one: "Candidate") -> tuple[str, ...]:
    from mason.reports.numbers import duration, magnitude, size

    promise = one.promise
    probe = promise.probe
    return (
        one.model,
        f"{one.place:.2g}",
        f"{probe.value:.1%} ({probe.low:.1%}–{probe.high:.1%})",
        f"{promise.neighbours:.1%}",
        "–" if promise.h_score is None else f"{promise.h_score:.3f}",
        f"{promise.log_me:+.4f}",
        magnitude(one.num_parameters),
        size(one.memory) if one.fits else say("{needed}: too much", needed=size(one.memory)),
        duration(one.seconds) if one.seconds is not None else "–",
        one.licence or "–",
    )
