"""``mason tune``."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from mason.cli import options
from mason.cli.outputs import whole_file
from mason.cli.overrides import read_overrides
from mason.cli.terminal import notice
from mason.language import say

Labelled = Annotated[
    str, Parameter(help=say("A file, a folder with a file a split, a hub id, or catalog:NAME."))
]
Started = Annotated[
    str, Parameter(help=say("A folder, .gguf file, hub id, modelscope:owner/name or short name."))
]
Budget = Annotated[str, Parameter(help=say("Time for the search, such as 30m."))]
Trials = Annotated[int, Parameter(help=say("Most trials."))]
Seeds = Annotated[int, Parameter(help=say("Other seeds on which best and default are compared."))]
Written = Annotated[str | None, Parameter(help=say("A YAML file of the settings found, to write."))]


def tune(
    *settings: options.Setting,
    model: Started,
    data: Labelled,
    budget: Budget = "10m",
    trials: Trials = 20,
    seeds: Seeds = 3,
    text: options.Text = None,
    label: options.Label = None,
    pair: options.Pair = None,
    group: options.Group = None,
    output: Written = None,
) -> int:
    """Search learning rate, batch, epochs and smoothing, and say what that bought."""
    from mason.reports.numbers import duration
    from mason.workflows import tune as search

    given = {"text": text, "label": label, "pair": pair, "group": group}
    named = {f"data.{name}": value for name, value in given.items() if value is not None}
    found = search(
        model,
        data,
        budget=budget,
        trials=trials,
        seeds=seeds,
        notice=notice,
        **read_overrides(settings) | named,
    )
    print(
        say(
            "{trials} trials, {pruned} of them stopped early, in {time}. Validation: "
            "{default:.1%} by default, {best:.1%} at best.",
            trials=found.trials,
            pruned=found.pruned,
            time=duration(found.seconds),
            default=found.default_score,
            best=found.score,
        )
    )
    lines = [f"  {name.partition('.')[2]}: {_shown(v)}" for name, v in found.settings.items()]
    for line in lines:
        print(line)
    print(found.sentence)
    if output is not None:
        with whole_file(Path(output)) as stream:
            stream.write("\n".join(["training:", *lines] if lines else ["{}"]).encode() + b"\n")
    return 0


def _shown(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.4g}"
