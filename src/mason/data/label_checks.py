"""What can be wrong with the labels of a data set."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping

from mason.data.findings import Finding, shorten
from mason.data.normal_form import normal_form
from mason.data.views import View, held_out, training
from mason.language import say

FEW_ROWS = 10
"""With fewer rows than this a label is learnt, and scored, by chance."""
IMBALANCE = 10
"""How many times larger the largest label may be than the smallest."""
_MAX_NUMERIC_CLASSES = 20
_UNSEEN_SHARE = 0.05
_NUM_NAMED = 5


def check_labels(views: Mapping[str, View]) -> Iterator[Finding]:
    """Everything that is wrong with the labels; nothing for data without a label column."""
    train = training(views)
    for view in views.values():
        if view.columns.label:
            yield from _missing(view)
    if train and train.columns.label and any(train.labels):
        counts = Counter(label for label in train.labels if label)
        if _are_measurements(counts):
            yield _regression(train, counts)
            return  # what follows is about classes
        yield from _one_label(train, counts)
        yield from _imbalance(train, counts)
        yield from _few_rows(train, counts)
        yield from _spellings(views)
        for view in held_out(views):
            yield from _unseen(view, set(counts), train)


def _missing(view: View) -> Iterator[Finding]:
    places = [i for i, label in enumerate(view.labels) if not label]
    if places:
        yield view.finding(
            "missing-label",
            "error" if len(places) == len(view.labels) else "warning",
            places,
            column=view.columns.label,
            reason=say("Rows whose label is missing or blank: {count}.", count=len(places)),
            fix=say("Fill them in or delete them; training and testing leave them out."),
        )


def _are_measurements(counts: Counter[str]) -> bool:
    """Whether labels are numbers on a scale: many different ones, and not all whole."""
    if len(counts) <= _MAX_NUMERIC_CLASSES:
        return False
    try:
        numbers = [float(label) for label in counts]
    except ValueError:
        return False
    return any(not n.is_integer() for n in numbers) or 2 * len(counts) > counts.total()


def _regression(view: View, counts: Counter[str]) -> Finding:
    return view.finding(
        "numeric-labels",
        "error",
        [i for i, label in enumerate(view.labels) if label],
        column=view.columns.label,
        reason=say(
            "The labels are measurements, not classes: {count} different numbers, such as "
            "{example}.",
            count=len(counts),
            example=next(iter(counts)),
        ),
        fix=say(
            "Turn them into classes, such as negative below 0 and positive above, or name "
            "another column with --label COLUMN."
        ),
    )


def _one_label(view: View, counts: Counter[str]) -> Iterator[Finding]:
    if len(counts) == 1:
        yield view.finding(
            "one-label",
            "error",
            [i for i, label in enumerate(view.labels) if label],
            column=view.columns.label,
            reason=say("Every row has the label {label}.", label=shorten(next(iter(counts)))),
            fix=say("Add rows with other labels, or name another column with --label COLUMN."),
        )


def _imbalance(view: View, counts: Counter[str]) -> Iterator[Finding]:
    (most, largest), (least, smallest) = counts.most_common()[0], counts.most_common()[-1]
    if largest > IMBALANCE * smallest:
        yield view.finding(
            "imbalance",
            "warning",
            _rows_of(view, {least}),
            column=view.columns.label,
            reason=say(
                "The label {most} has {largest} rows and {least} has {smallest}.",
                most=shorten(most),
                largest=largest,
                least=shorten(least),
                smallest=smallest,
            ),
            fix=say("Judge the model by macro-F1, weight the classes, or add rows to rare ones."),
        )


def _few_rows(view: View, counts: Counter[str]) -> Iterator[Finding]:
    few = [label for label, count in counts.items() if count < FEW_ROWS]
    if few:
        yield view.finding(
            "few-rows",
            "warning",
            _rows_of(view, set(few)),
            column=view.columns.label,
            reason=say(
                "Labels with fewer than {least} rows: {labels}.",
                least=FEW_ROWS,
                labels=_named(few),
            ),
            fix=say("Add rows, or merge these labels into larger ones."),
        )


def _spellings(views: Mapping[str, View]) -> Iterator[Finding]:
    """Labels that differ only in case, spacing or width, across all splits."""
    spellings: dict[str, dict[str, View]] = defaultdict(dict)
    for view in views.values():
        for label in filter(None, view.labels):
            spellings[normal_form(label).replace(" ", "")].setdefault(label, view)
    for forms in spellings.values():
        if len(forms) > 1:
            counts = Counter({f: sum(v.labels.count(f) for v in views.values()) for f in forms})
            rare = counts.most_common()[-1][0]
            yield forms[rare].finding(
                "label-spellings",
                "warning",
                _rows_of(forms[rare], {rare}),
                column=forms[rare].columns.label,
                reason=say(
                    "These labels differ only in case, spacing or width: {labels}.",
                    labels=_named([repr(label) for label, _ in counts.most_common()]),
                ),
                fix=say("Write them alike; now they are learnt as different labels."),
            )


def _unseen(view: View, known: set[str], train: View) -> Iterator[Finding]:
    unseen = sorted({label for label in view.labels if label} - known)
    places = _rows_of(view, set(unseen))
    if places:
        yield view.finding(
            "unseen-label",
            "error" if len(places) > _UNSEEN_SHARE * len(view.labels) else "warning",
            places,
            column=view.columns.label,
            reason=say(
                "Labels that no row of {train} has: {labels}.",
                train=train.file,
                labels=_named(unseen),
            ),
            fix=say("Correct their spelling, or add rows with them to the training data."),
        )


def _rows_of(view: View, labels: set[str]) -> list[int]:
    return [i for i, label in enumerate(view.labels) if label in labels]


def _named(labels: list[str]) -> str:
    named = ", ".join(shorten(label, 40) for label in labels[:_NUM_NAMED])
    return named + (f", … ({len(labels)})" if len(labels) > _NUM_NAMED else "")
