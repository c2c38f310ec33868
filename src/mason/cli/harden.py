"""``mason harden``."""

import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from mason.cli import options
from mason.cli.attack import Attacked, Encoder, Rows, Seed
from mason.cli.overrides import read_overrides
from mason.cli.terminal import console, notice
from mason.language import say

Learned = Annotated[str, Parameter(help=say("What it was trained on: a file or a folder."))]
Means = Annotated[
    str,
    Parameter(
        help=say(
            "cleaner, spelling, adversarial, masking, triggers, outliers; parted by commas; "
            "cleaner,adversarial if left out. For chat models guard."
        )
    ),
]
Against = Annotated[
    str | None,
    Parameter(
        help=say(
            "Attacks to learn from, parted by commas; typos,words, and homophones,glyphs,words of "
            "Chinese texts."
        )
    ),
]
Face = Annotated[
    str | None,
    Parameter(help=say("Attacks to measure it under; those, and others it did not learn from.")),
]
LearnedRows = Annotated[int, Parameter(help=say("Training texts to attack; 1000 if left out."))]
Judge = Annotated[
    str, Parameter(help=say("A language model that hears words out of place, for outliers."))
]
Written = Annotated[str, Parameter(help=say("The folder to write."))]


def harden(
    model: Attacked,
    *settings: options.Setting,
    data: Learned,
    output: Written,
    means: Means = "cleaner,adversarial",
    against: Against = None,
    face: Face = None,
    rows: Rows = 200,
    learned_rows: LearnedRows = 1000,
    encoder: Encoder = "all-MiniLM-L6-v2",
    judge: Judge = "SmolLM2-135M-Instruct",
    seed: Seed = 0,
    text: options.Text = None,
    label: options.Label = None,
) -> int:
    """Give a classifier defences, or a chat model a guard; measure their price and their gain."""
    from mason.workflows import guard_chat
    from mason.workflows import harden as run

    if means == "guard":
        chosen: dict[str, Any] = {"attacks": face, "rows": rows, "text": text, "seed": seed}
        command = shlex.join(["mason", *sys.argv[1:]])
        guarded = guard_chat(model, data, output=output, command=command, notice=notice, **chosen)
        return _end(guarded.results, output)
    made = run(
        model,
        data,
        output=output,
        means=means,
        against=against,
        face=face,
        rows=rows,
        learned_rows=learned_rows,
        encoder=encoder,
        judge=judge,
        seed=seed,
        text=text,
        label=label,
        notice=notice,
        command=shlex.join(["mason", *sys.argv[1:]]),
        **read_overrides(settings),
    )
    return _end(made.results, output)


def _end(results: dict[str, Any], output: str) -> int:
    for defence in results["security"]["defences"]:
        _show(defence)
    print(say("Report: {path}", path=Path(output) / "report.html"))
    return 0


def _show(defence: dict[str, Any]) -> None:
    from rich.table import Table

    from mason.reports.defences import defence_names, faced_names
    from mason.reports.numbers import percent

    names = defence_names()
    title = ", ".join(names.get(name, name) for name in defence["name"].split("+"))
    table = Table(box=None, pad_edge=False, title=title, title_justify="left")
    table.add_column(say("Texts"))
    for head in (say("Right before"), say("Right after")):
        table.add_column(head, justify="right")
    pairs = [(say("clean"), defence["clean_before"], defence["clean_after"])]
    for one in defence["faced"]:
        name = faced_names().get(one["attack"], one["attack"])
        shown = say("{attack}, by one who knows the defence", attack=name) if one["knows"] else name
        pairs.append((shown, one["before"], one["after"]))
    for name, *shares in pairs:
        cells = [
            f"{percent(s['value'])} ({percent(s['low'])}–{percent(s['high'])})" for s in shares
        ]
        table.add_row(name, *cells)
    console().print(table)
    if defence.get("note"):
        print(defence["note"])
    for words, share in defence.get("certified", {}).items():
        print(
            say(
                "Right by the vote of all copies whatever {words} of the words become, sure of "
                "each text at 95 %: {share:.1%}.",
                words=words,
                share=share,
            )
        )
