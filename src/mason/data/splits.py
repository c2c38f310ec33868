"""Dividing rows into train, validation and test, or into folds: by label, by group, by seed.

Iterative stratification (Sechidis et al. 2011) over whole groups: the rarest label is dealt
out first, so that rare labels come out even and each of them is in train.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Sequence
from typing import NamedTuple

import numpy as np

from mason.data.order import Indices, order
from mason.errors import DataError


class Splits(NamedTuple):
    """Row numbers, from 0 and ascending, of the three splits."""

    train: Indices
    valid: Indices
    test: Indices


class Fold(NamedTuple):
    """Row numbers, from 0 and ascending, to train on and to test on."""

    train: Indices
    test: Indices


def link(*keys: Sequence[Hashable]) -> Indices:
    """Number the groups of rows that share a value in any of ``keys``, directly or in a chain.

    Args:
        keys: sequences of one length, such as the normal forms of the texts and the speakers.
            A row whose value is None shares it with no other row.

    Returns:
        A group number for each row, shape ``(num_rows,)``.
    """
    parents = list(range(len(keys[0])))

    def root(row: int) -> int:
        while parents[row] != row:
            parents[row] = parents[parents[row]]
            row = parents[row]
        return row

    for values in keys:
        first: dict[Hashable, int] = {}
        for row, value in enumerate(values):
            if value is not None:
                parents[root(row)] = root(first.setdefault(value, row))
    roots = [root(row) for row in range(len(parents))]
    return np.unique(np.array(roots, dtype=np.int64), return_inverse=True)[1].astype(np.int64)


def split(
    labels: Sequence[str],
    *,
    groups: Sequence[Hashable] | None = None,
    valid: float = 0.1,
    test: float = 0.1,
    seed: int = 0,
) -> Splits:
    """Divide rows so that each split has each label's share and no group is in two splits.

    Args:
        labels: one label a row.
        groups: one group a row, such as the normal form of its text, so that copies stay
            together; see `link` for more than one kind of group. None: each row is alone.
        valid: the share of rows to hold out for validation, 0 for none.
        test: the share of rows to hold out for testing, 0 for none.
        seed: 0 or more; the same rows and seed give the same splits anywhere.

    Raises:
        DataError: too few rows, or too few groups, for the shares asked for.
    """
    assert valid >= 0 and test >= 0 and valid + test < 1, (valid, test)
    counts = Counter(labels)
    wanted = {"test": _targets(counts, test), "valid": _targets(counts, valid)}
    held: dict[str, Counter[str]] = {"test": Counter(), "valid": Counter(), "train": Counter()}

    def place(label: str, group: Counter[str]) -> str:
        if not held["train"][label]:
            return "train"
        for name, targets in wanted.items():
            missing = targets[label] - held[name][label]
            # A large group may overshoot by less than it would otherwise fall short.
            if missing > 0 and 2 * missing >= group[label]:
                return name
        return "train"

    placed = _deal(labels, groups, seed, held, place)
    parts = {name: np.flatnonzero(placed == name) for name in ("train", "valid", "test")}
    if not len(parts["train"]) or any(
        share and not len(parts[name]) for name, share in (("valid", valid), ("test", test))
    ):
        raise DataError(
            "{rows} rows are too few to hold out {valid:.0%} for validation and {test:.0%} for "
            "testing; add rows, or give files for validation and testing.",
            rows=len(labels),
            valid=valid,
            test=test,
        )
    return Splits(**parts)


def folds(
    labels: Sequence[str],
    *,
    num_folds: int,
    seed: int = 0,
    groups: Sequence[Hashable] | None = None,
) -> list[Fold]:
    """Divide rows for cross-validation: each row is tested on once, no group is torn apart.

    Args:
        labels: one label a row.
        num_folds: 2 or more.
        seed: 0 or more.
        groups: as for `split`.

    Raises:
        DataError: fewer groups than folds.
    """
    assert num_folds >= 2, num_folds
    held: dict[str, Counter[str]] = {str(i): Counter() for i in range(num_folds)}

    def place(label: str, group: Counter[str]) -> str:
        return min(held, key=lambda name: (held[name][label], held[name].total()))

    placed = _deal(labels, groups, seed, held, place)
    if not all(held.values()):
        raise DataError(
            "{rows} rows are too few for {folds} folds; add rows, or ask for fewer folds.",
            rows=len(labels),
            folds=num_folds,
        )
    return [Fold(np.flatnonzero(placed != n), np.flatnonzero(placed == n)) for n in held]


def _deal(
    labels: Sequence[str],
    groups: Sequence[Hashable] | None,
    seed: int,
    held: dict[str, Counter[str]],
    place: Callable[[str, Counter[str]], str],
) -> np.ndarray:
    """Put every group where ``place`` says, rarest label first; ``held`` keeps the count."""
    group_of = np.arange(len(labels)) if groups is None else link(groups)
    contents: dict[int, Counter[str]] = defaultdict(Counter)
    for group, label in zip(group_of.tolist(), labels, strict=True):
        contents[group][label] += 1
    members: dict[str, list[int]] = defaultdict(list)
    for group in order(len(contents), seed=seed, epoch=0).tolist():
        for label in contents[group]:
            members[label].append(group)
    names: dict[int, str] = {}
    for label in sorted(members, key=lambda name: (len(members[name]), name)):
        for group in members[label]:
            if group not in names:
                names[group] = place(label, contents[group])
                held[names[group]] += contents[group]
    return np.array([names[group] for group in group_of.tolist()], dtype=object)


def _targets(counts: Counter[str], share: float) -> dict[str, int]:
    """How many rows of each label to hold out: largest remainders, summing to the share."""
    exact = {label: counts[label] * share for label in sorted(counts)}
    targets = {label: int(value) for label, value in exact.items()}
    missing = round(counts.total() * share) - sum(targets.values())
    by_remainder = sorted(exact, key=lambda label: targets[label] - exact[label])
    for label in [name for name in by_remainder if counts[name] > 1][:missing]:
        targets[label] += 1
    return targets
