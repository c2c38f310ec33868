"""``mason evaluate``."""

import shlex
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from mason.cli import options
from mason.cli.terminal import announce
from mason.language import say

Tested = Annotated[str, Parameter(help=say("A file, or a folder whose test file is used."))]


def evaluate(
    model: options.Trained,
    *,
    data: Tested,
    text: options.Text = None,
    label: options.Label = None,
    target: options.Target = None,
    pair: options.Pair = None,
    columns: options.Columns = None,
    encoding: options.Encoding = None,
    format: options.Format = None,
    output: options.Folder = None,
) -> int:
    """Measure a trained model on a table it has not seen."""
    from mason.workflows import evaluate as measure

    given = {"text": text, "label": label, "pair": pair, "columns": columns}
    given |= {"target": target}
    given |= {"encoding": encoding, "format": format}
    command = shlex.join(["mason", *sys.argv[1:]])
    results = measure(model, data, output=output, command=command, **given)
    announce(results, Path(output) / "report.html" if output else None)
    return 0
