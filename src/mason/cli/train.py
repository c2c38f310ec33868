"""``mason train``."""

import shlex
import sys

from mason import language
from mason.cli import options
from mason.cli.overrides import read_overrides
from mason.cli.terminal import Progress, announce, notice


def train(
    *settings: options.Setting,
    task: options.Task = None,
    model: options.NamedModel = None,
    shape: options.Shape = None,
    data: options.Data = None,
    valid: options.Held = None,
    test: options.Held = None,
    text: options.Text = None,
    label: options.Label = None,
    separator: options.Separator = None,
    target: options.Target = None,
    pair: options.Pair = None,
    group: options.Group = None,
    columns: options.Columns = None,
    encoding: options.Encoding = None,
    format: options.Format = None,
    output: options.Folder = None,
    config: options.Config = None,
) -> int:
    """Fine-tune a model on a table, measure it, and write its report."""
    from mason.workflows import train as start

    given = {"text": text, "label": label, "pair": pair, "group": group, "columns": columns}
    given |= {"target": target, "separator": separator}
    given |= {"valid": valid, "test": test, "encoding": encoding, "format": format}
    named = {f"data.{name}": value for name, value in given.items()}
    named |= {"task": task, "model.shape": shape, "language": language.chosen()}
    with Progress() as progress:
        run = start(
            model,
            data,
            output=output,
            config=config,
            watch=progress,
            notice=notice,
            command=shlex.join(["mason", *sys.argv[1:]]),
            **read_overrides(settings) | {k: v for k, v in named.items() if v is not None},
        )
    announce(run.results, run.report)
    return 0
