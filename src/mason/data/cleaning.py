"""What training leaves out, each kind said in a finding."""

from collections.abc import Iterator, Mapping, Sequence

from mason.data.columns import Columns
from mason.data.duplicates import later_copies, row_keys
from mason.data.findings import Finding
from mason.data.tables import Table
from mason.data.views import View, held_out, training, view
from mason.language import say


def clean(splits: Mapping[str, Table], columns: Columns) -> tuple[dict[str, Table], list[Finding]]:
    """Drop the rows that cannot be used or would flatter the score.

    Dropped from every split: rows without a text, or, where there is a label column, without
    a label. Dropped from the training split: exact copies of earlier rows, and rows whose
    text (in normal form) is in a held-out split. Rows whose labels conflict are kept.

    Args:
        splits: as for `mason.data.doctor.examine`.
        columns: where the texts and labels are.

    Returns:
        The splits without those rows, and a note for each kind of drop.
    """
    views = {name: view(name, table, columns) for name, table in splits.items()}
    train = training(views)
    others = {key for split in held_out(views) for key in split.keys} - {""}
    tables: dict[str, Table] = {}
    notes: list[Finding] = []
    for name, split in views.items():
        unusable = _unusable(split)
        gone = set(unusable)
        notes += _unusable_note(split, unusable)
        if split is train:
            leaked = [i for i, key in enumerate(split.keys) if key in others and i not in gone]
            gone.update(leaked)
            keys = [None if i in gone else key for i, key in enumerate(row_keys(split))]
            copies = later_copies(keys)
            gone.update(copies)
            notes += [*_leak_note(split, leaked), *_copy_note(split, copies)]
        kept = [place for place in range(len(split.texts)) if place not in gone]
        tables[name] = splits[name].take(kept) if gone else splits[name]
    return tables, notes


def _unusable(split: View) -> list[int]:
    needs_label = bool(split.columns.label or split.columns.target)
    pairs = zip(split.texts, split.labels, strict=True)
    return [i for i, (text, label) in enumerate(pairs) if not text or (needs_label and not label)]


def _unusable_note(split: View, places: Sequence[int]) -> Iterator[Finding]:
    if places:
        yield split.finding(
            "dropped-incomplete",
            "note",
            places,
            reason=say("Rows left out for want of a text or label: {count}.", count=len(places)),
            fix=say("Fill them in to use them."),
        )


def _leak_note(split: View, places: Sequence[int]) -> Iterator[Finding]:
    if places:
        yield split.finding(
            "dropped-leaks",
            "note",
            places,
            reason=say(
                "Rows left out of training because the model is tested on their text: {count}.",
                count=len(places),
            ),
            fix=say("Delete these texts from one of the two files."),
        )


def _copy_note(split: View, places: Sequence[int]) -> Iterator[Finding]:
    if places:
        yield split.finding(
            "dropped-duplicates",
            "note",
            places,
            reason=say(
                "Rows left out because an earlier row is the same, text and label: {count}.",
                count=len(places),
            ),
            fix=say("Nothing to do."),
        )
