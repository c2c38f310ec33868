"""Rows that repeat each other: copies, near copies, and copies whose labels disagree."""

from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence

from mason.data.findings import Finding
from mason.data.minhash import near_copies
from mason.data.order import order
from mason.data.views import View, held_out, training
from mason.language import say

MAX_TEXTS = 1_000_000
"""How many different texts are compared; of more, a random part is."""

Place = tuple[View, int]


def check_duplicates(views: Mapping[str, View]) -> Iterator[Finding]:
    """Copies and near copies within a split, and between training and held-out splits."""
    for view in views.values():
        yield from _copies(view)
    yield from _conflicts(views)
    train = training(views)
    if train:
        for view in held_out(views):
            yield from _leaks(view, train)
    yield from _near(views)


def later_copies(keys: Sequence[Hashable | None]) -> list[int]:
    """The places whose key stands earlier as well; None is a copy of nothing."""
    seen: set[Hashable] = set()
    places = []
    for place, key in enumerate(keys):
        if key is None:
            continue
        if key in seen:
            places.append(place)
        seen.add(key)
    return places


def _copies(view: View) -> Iterator[Finding]:
    places = later_copies(row_keys(view))
    if places:
        yield view.finding(
            "duplicates",
            "warning",
            places,
            reason=say(
                "Rows that repeat an earlier row, text and label: {count}.", count=len(places)
            ),
            fix=say("Delete them; training leaves them out."),
        )


def row_keys(view: View) -> list[Hashable | None]:
    """What makes two rows copies: the same text, but for space around it, and all that is right.

    That is the label or other answers, a text unlike the first and what follows a gap.
    """
    rows = zip(view.texts, view.labels, view.answers, view.others, strict=True)
    return [(text.strip(), *rest) if text else None for text, *rest in rows]


def _conflicts(views: Mapping[str, View]) -> Iterator[Finding]:
    """The same text with different labels or answers; rows after the first are the places."""
    first: dict[str, tuple[str, int]] = {}
    for view in views.values():
        # A text may have more than one translation; a conversation is text and answer in one.
        if view.columns.target or view.columns.layout:
            continue
        places = []
        labels = view.labels if view.columns.label else view.answers
        for place, (key, label) in enumerate(zip(view.keys, labels, strict=True)):
            if key and label and first.setdefault(key, (label, place))[0] != label:
                places.append(place)
        if places:
            yield view.finding(
                "conflicting-labels",
                "warning",
                places,
                column=view.columns.label or view.columns.answer,
                reason=say(
                    "Rows whose text stands elsewhere with another label: {count}.",
                    count=len(places),
                ),
                fix=say("Decide which label is right; both are kept until you do."),
            )


def _leaks(view: View, train: View) -> Iterator[Finding]:
    known = set(train.keys) - {""}
    places = [place for place, key in enumerate(view.keys) if key in known]
    if places:
        yield view.finding(
            "leak",
            "warning",
            places,
            reason=say(
                "Rows whose text is also in {train}, so that their score is flattered: {count}.",
                train=train.file,
                count=len(places),
            ),
            fix=say("Delete these texts from one of the two; training leaves them out."),
        )


def _near(views: Mapping[str, View]) -> Iterator[Finding]:
    """Near copies among all different texts, training texts first."""
    train = training(views)
    ordered = [*([train] if train else []), *(v for v in views.values() if v is not train)]
    where: dict[str, Place] = {}
    for view in ordered:
        for place, key in enumerate(view.keys):
            if key:
                where.setdefault(key, (view, place))
    keys, looked = list(where), len(where)
    if looked > MAX_TEXTS:
        looked = MAX_TEXTS
        keys = [keys[i] for i in sorted(order(len(keys), seed=0, epoch=0)[:looked].tolist())]
    found: dict[tuple[str, str], dict[int, Place]] = defaultdict(dict)
    for first, second in near_copies(keys):
        (one, _), (other, place) = where[keys[first]], where[keys[second]]
        found[one.name, other.name].setdefault(place, where[keys[first]])
    for (one_name, other_name), originals in found.items():
        one, other = views[one_name], views[other_name]
        if one is other:
            yield _near_finding(other, originals, looked, len(where))
        elif one is train:
            yield _near_leak(other, one, originals, looked, len(where))


def _near_finding(view: View, originals: Mapping[int, Place], looked: int, total: int) -> Finding:
    return view.finding(
        "near-duplicates",
        "warning",
        _beside(view, originals),
        count=len(originals),
        reason=say(
            "Rows nearly like another row, at least 80% of their 5-character pieces in common: "
            "{count} ({looked} of {total} texts compared).",
            count=len(originals),
            looked=looked,
            total=total,
        ),
        fix=say("Delete them if they are copies; splitting keeps only exact copies together."),
    )


def _near_leak(
    view: View, train: View, originals: Mapping[int, Place], looked: int, total: int
) -> Finding:
    return view.finding(
        "near-leak",
        "warning",
        sorted(originals),
        reason=say(
            "Rows nearly like a row of {train}, at least 80% of their 5-character pieces in "
            "common: {count} ({looked} of {total} texts compared).",
            train=train.file,
            count=len(originals),
            looked=looked,
            total=total,
        ),
        fix=say("Delete these texts from one of the two if they are copies."),
    )


def _beside(view: View, originals: Mapping[int, Place]) -> list[int]:
    """The places of near copies, the first one's original before it as an example."""
    places = sorted(originals)
    return [originals[places[0]][1], *places]
