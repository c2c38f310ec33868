"""The data doctor: looks at every split before the first step and says what is wrong."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from mason.data.columns import Columns
from mason.data.duplicates import check_duplicates
from mason.data.findings import Finding
from mason.data.label_checks import check_labels
from mason.data.lengths import check_lengths
from mason.data.personal import check_personal
from mason.data.tables import Table
from mason.data.text_checks import check_texts
from mason.data.token_leaks import check_token_leaks
from mason.data.views import training, view

_SEVERITIES = ("error", "warning", "note")


def examine(
    splits: Mapping[str, Table],
    columns: Columns,
    *,
    token_counts: Callable[[Sequence[str]], Sequence[int]] | None = None,
    max_tokens: int | None = None,
) -> list[Finding]:
    """Examine a data set.

    Args:
        splits: tables by name: "train", "validation", "test"; or one, "all", not yet divided.
        columns: where the texts and labels are.
        token_counts: gives the number of tokens of each of some texts, before cutting; with
            ``max_tokens`` it adds the check of lengths.
        max_tokens: how many tokens of a text the model sees.

    Returns:
        The findings, errors first, then warnings, then notes.
    """
    views = {name: view(name, table, columns) for name, table in splits.items()}
    found = [note for table in splits.values() for note in table.notes]
    for split in views.values():
        found += check_texts(split)
        found += check_personal(split)
        if token_counts is not None and max_tokens is not None:
            found += check_lengths(split, token_counts, max_tokens)
    if columns.target:
        written = replace(columns, text=columns.target, pair=None, target=None)
        for name, table in splits.items():
            targets = view(name, table, written)
            found += check_texts(targets)
            if token_counts is not None and max_tokens is not None:
                found += check_lengths(targets, token_counts, max_tokens)
    found += check_labels(views)
    found += check_duplicates(views)
    train = training(views)
    found += check_token_leaks(train) if train and not columns.target else []
    return sorted(found, key=lambda finding: _SEVERITIES.index(finding.severity))
