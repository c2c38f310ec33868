"""``mason explain``: a text, or rows of a table."""

import json
import shlex
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from mason.cli import options
from mason.cli.terminal import console
from mason.errors import SettingsError
from mason.language import say

if TYPE_CHECKING:
    from rich.text import Text

    from mason.explanation import Picture

Read = Annotated[str | None, Parameter(help=say("A text; with --data, the texts' column."))]
Second = Annotated[
    str | None,
    Parameter(help=say("The second text of a pair, or the text of a question; or its column.")),
]
Rows = Annotated[str | None, Parameter(help=say("A file of texts, of which some are explained."))]
HowMany = Annotated[
    int | None,
    Parameter(
        help=say("How many rows of it, evenly over the file; 20 if left out, more for views.")
    ),
]
Named = Annotated[
    str | None,
    Parameter(
        help=say(
            "occlusion (if left out), integrated-gradients, gradient-x-input, lime, shap or "
            "rollout; several parted by commas, or all."
        )
    ),
]
Why = Annotated[
    str | None,
    Parameter(
        help=say(
            "What to explain: a label, the word whose tag it is, a word that is written; the "
            "model's answer if left out."
        )
    ),
]
View = Annotated[
    str,
    Parameter(
        help=say(
            "words (if left out); attention or lens of one --text; ablation or probes over the "
            "rows of --data; neighbours of --text among them."
        )
    ),
]
Layer = Annotated[int | None, Parameter(help=say("Of attention, this layer alone, from 1."))]
Head = Annotated[int | None, Parameter(help=say("Of attention, this head alone, from 1."))]


def explain(
    model: options.Trained,
    *,
    text: Read = None,
    pair: Second = None,
    why: Why = None,
    data: Rows = None,
    rows: HowMany = None,
    label: options.Label = None,
    method: Named = None,
    view: View = "words",
    layer: Layer = None,
    head: Head = None,
    columns: options.Columns = None,
    encoding: options.Encoding = None,
    format: options.Format = None,
    output: options.Folder = None,
    json_lines: options.JsonLines = False,
) -> int:
    """Say which words spoke for a model's answer, and whether to believe that; or look inside."""
    if rows is not None and rows < 1:
        raise SettingsError("--rows is {rows}; give 1 or more.", rows=rows)
    given: dict[str, Any] = {"text": text, "pair": pair, "why": why, "label": label, "rows": rows}
    given |= {"columns": columns, "encoding": encoding, "format": format, "output": output}
    if view != "words":
        _look(
            model,
            view,
            json_lines,
            {**given, "data": data, "layer": layer, "head": head, "method": method},
        )
    elif layer is not None or head is not None:
        raise SettingsError("--layer and --head are for --view attention; leave them out.")
    else:
        _explain(model, data, _methods(method), json_lines, given)
    if output is not None:
        print(say("Report: {path}", path=Path(output) / "report.html"))
    return 0


def _methods(named: str | None) -> list[str]:
    from mason.explanation import DEFAULT_METHOD, METHODS

    if named == "all":
        return list(METHODS)
    return [name.strip() for name in (named or DEFAULT_METHOD).split(",")]


def _command() -> str:
    return shlex.join(["mason", *sys.argv[1:]])


def _look(model: str, name: str, json_lines: bool, given: dict[str, Any]) -> None:
    """A view into the model."""
    from mason.cli.terminal import notice
    from mason.cli.views import show
    from mason.workflows.viewing import view

    results = view(model, name, command=_command(), notice=notice, **given)
    show(results["extras"], json_lines=json_lines)


def _explain(
    model: str, data: str | None, methods: list[str], json_lines: bool, given: dict[str, Any]
) -> None:
    """Pictures of one text, or of rows."""
    from mason.workflows.explaining import ROWS, explain_table
    from mason.workflows.explaining import explain as draw

    text, pair, why = given.pop("text"), given.pop("pair"), given.pop("why")
    if data is None:
        if text is None:
            raise SettingsError("There is nothing to explain; give --text or --data.")
        if given["output"] is not None:
            raise SettingsError("--output writes a page of many texts; give them with --data.")
        texts = [text] if pair is None else [text, pair]
        for picture in draw(model, *texts, methods=methods, why=why):
            _print(picture, json_lines)
        return
    if why is not None:
        raise SettingsError("--why is for one text; leave it out, or give --text alone.")
    found = {**given, "text": text, "pair": pair, "rows": given["rows"] or ROWS}
    results = explain_table(model, data, methods=methods, command=_command(), **found)
    block = results["extras"]["explanations"]
    if json_lines:
        for picture in block["pictures"]:
            print(json.dumps(picture, ensure_ascii=False))
    else:
        _survey(block["surveys"])


def _print(picture: "Picture", json_lines: bool) -> None:
    if json_lines:
        told = {**asdict(picture), "withheld": picture.withheld}
        print(json.dumps(told, ensure_ascii=False))
        return
    screen = console()
    if picture.probable:
        title = f"{picture.answer} ({picture.value:.1%})"
    else:
        title = f"{picture.answer} ({picture.value:.4g})"
    screen.print(f"[bold]{title}[/bold]  {picture.method}", highlight=False)
    if not picture.shown:
        print(picture.withheld)
        return
    if picture.method == "rollout":
        from mason.reports.attention import honest

        print(honest())
    for part in range(len(picture.texts)):
        screen.print(_coloured(picture, part))
    print(_strongest(picture))
    print(faith_in_words(picture))


def _coloured(picture: "Picture", part: int) -> "Text":
    """A text with a ground of blue behind what spoke for the answer, of red against it."""
    from rich.text import Text

    shown = Text(picture.texts[part])
    largest = max((abs(word.weight) for word in picture.words), default=0.0) or 1.0
    for word in picture.words:
        strength = abs(word.weight) / largest
        if word.part == part and strength >= 0.05:
            faint = int(235 - 175 * strength)
            tone = f"{faint},{faint},255" if word.weight > 0 else f"255,{faint},{faint}"
            ink = "white" if strength > 0.6 else "black"
            shown.stylize(f"{ink} on rgb({tone})", word.start, word.end)
    return shown


def _strongest(picture: "Picture", most: int = 8) -> str:
    ranked = sorted(picture.words, key=lambda word: -abs(word.weight))[:most]
    return ", ".join(f"{word.text} {word.weight:+.2f}" for word in ranked)


def faith_in_words(picture: "Picture") -> str:
    """How faithful a picture is, in one sentence."""
    judged = picture.trust.faithfulness
    assert judged is not None, "what is shown was judged"
    told = say(
        "Faithful: comprehensiveness {comprehensiveness:.2f} of 1, sufficiency {sufficiency:.2f} "
        "(0 is best), before {beaten:.0%} of random orders.",
        comprehensiveness=judged.comprehensiveness,
        sufficiency=judged.sufficiency,
        beaten=judged.beaten,
    )
    missing = picture.trust.incompleteness
    if missing is None:
        return told
    return told + say(" Its weights add up to the answer but for {share:.2%}.", share=missing)


def _survey(surveys: list[dict[str, Any]]) -> None:
    from rich.table import Table

    from mason.reports.explanations import checks_in_words

    table = Table(box=None, pad_edge=False)
    table.add_column(say("method"))
    for name in (
        say("shown"),
        say("comprehensiveness"),
        say("sufficiency"),
        say("margin"),
        say("before random orders"),
    ):
        table.add_column(name, justify="right")
    table.add_column(say("withheld for"), overflow="fold")
    for one in surveys:
        figures = (one["comprehensiveness"], one["sufficiency"], one["margin"])
        cells = ["–" if figure is None else f"{figure:.2f}" for figure in figures]
        beaten = "–" if one["beaten"] is None else f"{one['beaten']:.0%}"
        shown = f"{one['shown']}/{one['texts']}"
        table.add_row(one["method"], shown, *cells, beaten, checks_in_words(one["failed"]))
    console().print(table)
