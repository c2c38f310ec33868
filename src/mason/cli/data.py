"""``mason data check``."""

import json
from typing import Annotated

from cyclopts import Parameter

from mason.cli import options
from mason.cli.terminal import findings_table
from mason.language import say

Checked = Annotated[
    str, Parameter(help=say("A file, a folder with a file a split, a hub id, or catalog:NAME."))
]
Lengths = Annotated[str | None, Parameter(help=say("Check lengths in this model's tokens."))]
Cut = Annotated[int | None, Parameter(help=say("Where texts will be cut."))]


def check(
    file: Checked,
    *,
    task: options.Task = None,
    text: options.Text = None,
    label: options.Label = None,
    separator: options.Separator = None,
    target: options.Target = None,
    pair: options.Pair = None,
    group: options.Group = None,
    columns: options.Columns = None,
    encoding: options.Encoding = None,
    format: options.Format = None,
    model: Lengths = None,
    max_tokens: Cut = None,
    json_lines: options.JsonLines = False,
) -> int:
    """Find what is wrong with a table before training."""
    from mason.workflows import check as examine

    given = {"text": text, "label": label, "pair": pair, "group": group, "columns": columns}
    given |= {"separator": separator}
    given |= {"target": target}
    given |= {"encoding": encoding, "format": format}
    found = examine(file, task=task, model=model, max_tokens=max_tokens, **given)
    if json_lines:
        for finding in found:
            print(json.dumps(finding.to_dict(), ensure_ascii=False))
    elif found:
        findings_table(found)
    else:
        print(say("Nothing is wrong with {file}.", file=file))
    return 2 if any(finding.severity == "error" for finding in found) else 0
