"""``mason train``."""

import shlex
import sys
from typing import Annotated

from cyclopts import Parameter

from mason.cli.overrides import read_overrides
from mason.cli.terminal import Progress, notice, summary
from mason.language import say

Setting = Annotated[str, Parameter(allow_leading_hyphen=True)]


def train(
    *settings: Setting,
    task: str | None = None,
    model: str | None = None,
    data: str | None = None,
    valid: str | None = None,
    test: str | None = None,
    text: str | None = None,
    label: str | None = None,
    pair: str | None = None,
    group: str | None = None,
    output: str | None = None,
    config: str | None = None,
) -> int:
    """Fine-tune a model on a table, measure it, and write its report.

    Parameters
    ----------
    settings
        Any other setting by its name, such as --training.epochs 3; docs/settings.md has
        them all.
    task
        What to train for: classification.
    model
        A folder, a hub id, modelscope:owner/name, or a short name such as all-MiniLM-L6-v2.
    data
        A file, a folder with a file a split, a hub id, or catalog:NAME.
    valid
        A file for validation; otherwise a tenth of the rows is held out.
    test
        A file for testing; otherwise a tenth of the rows is held out.
    text
        The column of the text.
    label
        The column of the label.
    pair
        The column of a second text.
    group
        A column whose equal values must stay in one split, such as the author.
    output
        The folder to write.
    config
        A YAML file of settings; options win over it.
    """
    from mason.workflows import train as start

    named = {"data.valid": valid, "data.test": test, "data.text": text, "data.label": label}
    named |= {"data.pair": pair, "data.group": group, "task": task}
    with Progress() as progress:
        run = start(
            model,
            data,
            output=output,
            config=config,
            watch=progress,
            notice=notice,
            command=shlex.join(["mason", *sys.argv[1:]]),
            **{**read_overrides(settings), **named},
        )
    print(summary(run.results))
    if run.report:
        print(say("Report: {path}", path=run.report))
    return 0
