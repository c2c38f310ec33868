"""``mason evaluate``."""

import shlex
import sys

from mason.cli.terminal import summary
from mason.language import say


def evaluate(
    model: str,
    *,
    data: str,
    text: str | None = None,
    label: str | None = None,
    pair: str | None = None,
    output: str | None = None,
) -> int:
    """Measure a trained model on a table it has not seen.

    Parameters
    ----------
    model
        The folder of a trained model.
    data
        A file, or a folder whose test file is used.
    text
        The column of the text.
    label
        The column of the label.
    pair
        The column of a second text.
    output
        A folder for results.json and report.html.
    """
    from mason.workflows import evaluate as measure

    command = shlex.join(["mason", *sys.argv[1:]])
    results = measure(
        model, data, output=output, command=command, text=text, label=label, pair=pair
    )
    print(summary(results))
    if output:
        print(say("Report: {path}", path=f"{output}/report.html"))
    return 0
