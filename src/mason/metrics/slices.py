"""Where a model is worse than elsewhere: shares of right rows by kind of row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mason.metrics.comparison import holm

_FEWEST, _MOST = 10, 50
_SURE = 0.05
_QUARTERS = 4


@dataclass(frozen=True)
class Slice:
    """Rows of one kind.

    Attributes:
        by: What the kind is of, such as ``label``.
        name: Of the kind.
        rows: How many there are.
        accuracy: Share that is right; ``low`` and ``high`` hold it 95 times in 100 (Wilson 1927).
        rest: Share of all other rows that is right.
        p_value: Of "no worse than the others" by Fisher's exact test, one-sided.
        adjusted: The same after Holm, over all slices of all kinds.
    """

    by: str
    name: str
    rows: int
    accuracy: float
    low: float
    high: float
    rest: float
    p_value: float
    adjusted: float = 1.0

    @property
    def worse(self) -> bool:
        """Whether it is proved to be worse than the rest."""
        return self.adjusted < _SURE


def slices(right: ArrayLike, kinds: Mapping[str, Sequence[str]]) -> list[Slice]:
    """Accuracy of each kind of row, in the order given.

    Kinds of fewer than 10 rows, and all beyond the 50 largest of one sort, are left out: they
    would prove nothing and cost the others their proof.

    Args:
        right: Whether each row was answered right [rows].
        kinds: By sort, the kind of each row.
    """
    correct = np.asarray(right, np.bool_)
    found = []
    for by, names in kinds.items():
        known, numbers = np.unique(np.asarray(names, dtype=object).astype(str), return_inverse=True)
        counts = np.bincount(numbers)
        kept = sorted(np.argsort(-counts, kind="stable")[:_MOST].tolist())
        for i in kept:
            if _FEWEST <= counts[i] < correct.size:
                found.append(_slice(by, str(known[i]), correct, numbers == i))
    adjusted = holm([one.p_value for one in found])
    return [replace(one, adjusted=p) for one, p in zip(found, adjusted, strict=True)]


def by_length(lengths: ArrayLike) -> list[str]:
    """The quarter of each row by its length, named by its bounds, as ``"009–014"``.

    Args:
        lengths: Of each row [rows]; equal ones share a quarter.
    """
    given = np.asarray(lengths, np.int64)
    edges = np.unique(np.quantile(given, np.arange(1, _QUARTERS) / _QUARTERS))
    part, digits = np.searchsorted(edges, given, side="left"), len(str(given.max()))
    names = {
        int(i): f"{given[part == i].min():0{digits}d}–{given[part == i].max():0{digits}d}"
        for i in np.unique(part)
    }
    return [names[int(i)] for i in part]


def _slice(by: str, name: str, right: NDArray[np.bool_], inside: NDArray[np.bool_]) -> Slice:
    from scipy import stats

    own, others = right[inside], right[~inside]
    hits, rest = int(own.sum()), int(others.sum())
    table = [[hits, own.size - hits], [rest, others.size - rest]]
    bounds = stats.binomtest(hits, own.size).proportion_ci(method="wilson")
    return Slice(
        by,
        name,
        own.size,
        hits / own.size,
        float(bounds.low),
        float(bounds.high),
        rest / others.size,
        float(stats.fisher_exact(table, alternative="less").pvalue),
    )
