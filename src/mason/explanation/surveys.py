"""How often pictures of a set of texts can be believed, method by method."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from mason.explanation.faithfulness import Faithfulness
from mason.explanation.pictures import Picture
from mason.metrics import mcnemar

_SURE = 0.05


@dataclass(frozen=True)
class Survey:
    """Pictures of many texts by one method.

    Attributes:
        method: Its name.
        paper: Where it was described.
        texts: How many.
        shown: How many passed every check.
        failed: How many failed, by check.
        comprehensiveness: Mean over the texts that were judged; see ``Faithfulness``.
        sufficiency: The same.
        margin: The same.
        beaten: The same.
        incompleteness: The largest; None where a method promises no sum.
    """

    method: str
    paper: str
    texts: int
    shown: int
    failed: dict[str, int]
    comprehensiveness: float | None
    sufficiency: float | None
    margin: float | None
    beaten: float | None
    incompleteness: float | None


def survey(pictures: Sequence[Picture]) -> list[Survey]:
    """One line for each method, in the order they come."""
    names = dict.fromkeys(picture.method for picture in pictures)
    return [_of([p for p in pictures if p.method == name]) for name in names]


def _of(pictures: Sequence[Picture]) -> Survey:
    judged = [p.trust.faithfulness for p in pictures if p.trust.faithfulness is not None]
    sums = [p.trust.incompleteness for p in pictures if p.trust.incompleteness is not None]
    return Survey(
        pictures[0].method,
        pictures[0].paper,
        len(pictures),
        sum(p.shown for p in pictures),
        dict(Counter(str(p.trust.failed) for p in pictures if not p.shown)),
        comprehensiveness=_mean(judged, "comprehensiveness"),
        sufficiency=_mean(judged, "sufficiency"),
        margin=_mean(judged, "margin"),
        beaten=_mean(judged, "beaten"),
        incompleteness=max(sums, default=None),
    )


def _mean(judged: Sequence[Faithfulness], name: str) -> float | None:
    return float(np.mean([getattr(one, name) for one in judged])) if judged else None


def without_skill(pictures: Sequence[Picture]) -> list[Picture]:
    """Pictures of a model that knows nothing: all withheld."""
    return [replace(p, words=(), trust=replace(p.trust, failed="skill")) for p in pictures]


def is_skilled(right: ArrayLike, commonest: ArrayLike) -> bool:
    """Whether a model is surely better than one label for all (McNemar's mid-p).

    Args:
        right: Whether the model was right, [rows].
        commonest: Whether the commonest label would have been, [rows].
    """
    ours, theirs = np.asarray(right, float), np.asarray(commonest, float)
    return bool(ours.mean() > theirs.mean()) and mcnemar(theirs, ours, mid_p=True) < _SURE


def as_block(pictures: Sequence[Picture]) -> dict[str, Any]:
    """What a report holds of pictures: each of them, and the survey."""
    found = [_plain(picture) for picture in pictures]
    return {"surveys": [asdict(one) for one in survey(pictures)], "pictures": found}


def _plain(picture: Picture) -> dict[str, Any]:
    return {**asdict(picture), "withheld": picture.withheld}
