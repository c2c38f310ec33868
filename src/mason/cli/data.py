"""``mason data check``."""

import json

from mason.cli.terminal import findings_table
from mason.language import say


def check(
    file: str,
    *,
    text: str | None = None,
    label: str | None = None,
    pair: str | None = None,
    group: str | None = None,
    model: str | None = None,
    max_tokens: int | None = None,
    json_lines: bool = False,
) -> int:
    """Find what is wrong with a table before training.

    Parameters
    ----------
    file
        A file, a folder with a file a split, a hub id, or catalog:NAME.
    text
        The column of the text.
    label
        The column of the label.
    pair
        The column of a second text.
    group
        A column whose equal values must stay in one split.
    model
        Check lengths in this model's tokens.
    max_tokens
        Where texts will be cut.
    json_lines
        Print one JSON object a line.
    """
    from mason.workflows import check as examine

    found = examine(
        file, model=model, max_tokens=max_tokens, text=text, label=label, pair=pair, group=group
    )
    if json_lines:
        for finding in found:
            print(json.dumps(finding.to_dict(), ensure_ascii=False))
    elif found:
        findings_table(found)
    else:
        print(say("Nothing is wrong with {file}.", file=file))
    return 2 if any(finding.severity == "error" for finding in found) else 0
