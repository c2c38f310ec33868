"""``mason catalog``: what there is to learn, and what it came to."""

from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from mason.cli.terminal import Progress, console, notice
from mason.language import say

if TYPE_CHECKING:
    from mason.catalog.board import Measured

Name = Annotated[str, Parameter(help=say("An entry, as mason catalog list names it."))]
Task = Annotated[str | None, Parameter(help=say("Entries of this task alone."))]
Whole = Annotated[bool, Parameter(help=say("The whole recipe instead of its small form."))]
Output = Annotated[
    str | None, Parameter(help=say("The folder to write; runs/catalog/NAME if left out."))
]
Dump = Annotated[str, Parameter(help=say("evaluation-tables.json, plain or as .gz."))]
Pages = Annotated[str, Parameter(help=say("The folder to write the page into."))]


def entries(*, task: Task = None) -> int:
    """List the entries with the best figures that were measured here."""
    from rich.table import Table

    from mason.workflows.cataloguing import list_entries

    table = Table(box=None, pad_edge=False)
    for head in (say("entry"), say("task"), say("data"), say("score")):
        table.add_column(head)
    for head in (say("published"), say("whole"), say("small")):
        table.add_column(head, justify="right")
    for listed in list_entries(task):
        entry = listed.entry
        figures = entry.published
        table.add_row(
            entry.name,
            entry.task,
            " ".join(entry.data),
            entry.expected.metric,
            f"{figures[0].value:g} ({figures[0].metric})" if figures else "–",
            _figure(listed.whole),
            _figure(listed.small),
        )
    console().print(table)
    return 0


def show(name: Name) -> int:
    """Show an entry: its data, paper, recipe, published figures and what was measured here."""
    from mason.catalog.entries import find_entry
    from mason.workflows.cataloguing import figures_of

    entry, (measured, published) = find_entry(name), figures_of(name)
    dataset, paper = entry.dataset, entry.paper
    print(f"{entry.name}: {entry.task}, {dataset.title()}")
    print(say("data: {names}; {citation}", names=", ".join(entry.data), citation=dataset.citation))
    print(say("licence: {licence}", licence=dataset.licence))
    written = {"who": paper.authors, "year": paper.year, "title": paper.title}
    print(say("paper: {who} {year}, {title}", **written))
    for whole in (True, False):
        words = " ".join(entry.command(whole=whole, output=f"runs/catalog/{name}"))
        print(f"{say('whole') if whole else say('small')}: {words}")
    told = entry.expected
    print(
        say(
            "small form: {metric} {value:g} expected, {within:g} more or less",
            metric=told.metric,
            value=told.value,
            within=told.within,
        )
    )
    for figure in entry.published:
        told_of = f" ({figure.difference})" if figure.difference else ""
        print(f"{figure.value:g} {figure.metric}: {figure.system}, {figure.source}{told_of}")
    for row in published:
        print(f"{row.value:g} {row.metric}: {row.model}, {row.paper} {row.date}")
    for found in measured:
        form = say("small") if found.small else say("whole")
        print(
            f"{_figure(found)} {found.metric}, {form}, {found.seconds:.0f} s, {found.machine}, "
            f"{found.created[:10]}: {found.command}"
        )
    return 0


def run(name: Name, *, whole: Whole = False, output: Output = None) -> int:
    """Run an entry again, small unless told otherwise, and say how far off it is."""
    from mason.workflows.cataloguing import run_entry

    folder = output or f"runs/catalog/{name}"
    with Progress() as progress:
        done = run_entry(name, whole=whole, output=folder, notice=notice, watch=progress)
    print(f"{name}: {done.found.metric} {_figure(done.found)}, {done.found.seconds:.0f} s")
    if done.deviation is None:
        return 0
    given = {"off": done.deviation, "within": done.entry.expected.within}
    if done.within:
        print(say("{off:+.4f} from what is expected, within {within:g}.", **given))
        return 0
    print(say("{off:+.4f} from what is expected, more than {within:g}: a deviation.", **given))
    return 1


def add(file: Dump) -> int:
    """Read the archive of Papers with Code, so that its figures stand beside yours."""
    from mason.workflows.cataloguing import take_in

    found, new = take_in(file)
    print(say("{found:,} figures read, {new:,} of them new.", found=found, new=new))
    return 0


def export(folder: Pages) -> int:
    """Write the leaderboards as a page that needs nothing else."""
    from mason.workflows.cataloguing import export as write

    print(say("page: {file}", file=write(folder)))
    return 0


def _figure(found: "Measured | None") -> str:
    if found is None:
        return "–"
    if found.low == found.high:
        return f"{found.value:.4f}"
    return f"{found.value:.4f} ({found.low:.4f}–{found.high:.4f})"
