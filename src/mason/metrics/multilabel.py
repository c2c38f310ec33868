"""Scores of label sets: F1 over and across labels, whole sets, and the order of the labels."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mason.errors import DataError
from mason.metrics.classification import ClassScores, Estimate, estimate

Flags = NDArray[np.bool_]
Floats = NDArray[np.float64]
_DRAWS_AT_ONCE = 100


@dataclass(frozen=True)
class MultiLabelScores:
    """Scores with intervals.

    Attributes:
        overall: ``micro_f1`` (over all decisions), ``macro_f1`` (mean over labels),
            ``subset_accuracy`` (sets that are exactly right) and ``lrap`` (of the labels ranked
            as high as a right one, how many are right: Tsoumakas et al. 2010).
        per_class: One entry a label.
    """

    rows: int
    confidence: float
    overall: dict[str, Estimate]
    per_class: list[ClassScores]


def multilabel_scores(
    targets: Flags,
    probabilities: Floats,
    predictions: Flags,
    *,
    confidence: float = 0.95,
    num_resamples: int = 1000,
    seed: int = 0,
) -> MultiLabelScores:
    """Score label sets against the right ones, as scikit-learn does.

    Args:
        targets: Which labels are right [rows, labels].
        probabilities: How likely each is said to be [rows, labels].
        predictions: Which are said to be right [rows, labels].
        confidence: Coverage of the intervals.
        num_resamples: Bootstrap draws of rows (percentile intervals).
        seed: Of the draws.

    Raises:
        DataError: There are no rows.
    """
    from sklearn import metrics

    rows = len(targets)
    if not rows:
        raise DataError("There are no rows to score; give a test set with at least one row.")
    values = {
        f"{kind}_f1": metrics.f1_score(targets, predictions, average=kind, zero_division=0)
        for kind in ("micro", "macro")
    }
    values["subset_accuracy"] = metrics.accuracy_score(targets, predictions)
    values["lrap"] = metrics.label_ranking_average_precision_score(targets, probabilities)
    whole = (targets == predictions).all(1).astype(np.float64)
    alone = np.stack([whole, lrap_of_rows(targets, probabilities)], axis=1)
    found = _resampled(targets, predictions, alone, num_resamples, seed)
    overall = {
        name: estimate(float(value), found[name], confidence, rows)
        for name, value in values.items()
    }
    per_class = _per_class(targets, predictions, found["per_class"], confidence)
    return MultiLabelScores(rows, confidence, overall, per_class)


def best_threshold(targets: Flags, probabilities: Floats) -> float:
    """The one threshold for all labels that gives the best micro F1; 0.5 where none is better."""
    flat = probabilities.ravel()
    order = np.argsort(-flat, kind="stable")
    hits, ranked = np.cumsum(targets.ravel()[order]), flat[order]
    f1 = 2 * hits / (np.arange(1, len(flat) + 1) + targets.sum())
    f1[:-1][ranked[:-1] == ranked[1:]] = 0.0  # equals cannot be parted
    best = int(f1.argmax())
    said = flat >= 0.5
    usual = 2 * (targets.ravel() & said).sum() / max(1, said.sum() + targets.sum())
    if f1[best] <= usual:
        return 0.5
    below = ranked[best + 1] if best + 1 < len(ranked) else 0.0
    return float((ranked[best] + below) / 2)


def lrap_of_rows(targets: Flags, probabilities: Floats) -> Floats:
    """LRAP of each row; 1 where all or none of the labels are right, for any order will do.

    Args:
        targets: Which labels are right [rows, labels].
        probabilities: How likely each is said to be [rows, labels].
    """
    from scipy.stats import rankdata

    overall = rankdata(-probabilities, method="max", axis=1)
    among = np.stack(
        [
            (targets & (probabilities >= probabilities[:, [j]])).sum(1)
            for j in range(targets.shape[1])
        ],
        axis=1,
    )
    shares = np.where(targets, among / overall, 0.0).sum(1)
    right = targets.sum(1)
    trivial = (right == 0) | (right == targets.shape[1])
    found: Floats = np.where(trivial, 1.0, shares / np.maximum(right, 1))
    return found


def _f1(hits: Floats, said: Floats, right: Floats) -> Floats:
    found: Floats = 2 * hits / np.maximum(said + right, 1)
    return found


def _resampled(
    targets: Flags, predictions: Flags, alone: Floats, num_resamples: int, seed: int
) -> dict[str, Floats]:
    """Every score of every resample; a resample is how often each row is drawn."""
    rng, rows, num = np.random.default_rng(seed), len(targets), targets.shape[1]
    counted = np.concatenate([targets & predictions, predictions, targets, alone], axis=1)
    sums = np.empty((num_resamples, counted.shape[1]))
    for start in range(0, num_resamples, _DRAWS_AT_ONCE):
        size = min(_DRAWS_AT_ONCE, num_resamples - start)
        drawn = rng.multinomial(rows, np.full(rows, 1 / rows), size=size)
        sums[start : start + size] = drawn @ counted
    parts = sums[:, :num], sums[:, num : 2 * num], sums[:, 2 * num : 3 * num]
    each = _f1(*parts)
    hits, said, right = (part.sum(1) for part in parts)
    return {
        "micro_f1": _f1(hits, said, right),
        "macro_f1": each.mean(1),
        "subset_accuracy": sums[:, -2] / rows,
        "lrap": sums[:, -1] / rows,
        "per_class": each,
    }


def _per_class(
    targets: Flags, predictions: Flags, drawn: Floats, confidence: float
) -> list[ClassScores]:
    told = []
    for j in range(targets.shape[1]):
        right, said = targets[:, j], predictions[:, j]
        hits, concerned = int((right & said).sum()), int((right | said).sum())
        if not concerned:
            told.append(ClassScores(None, None, None, None, None, 0))
            continue
        value = 2 * hits / (int(right.sum()) + int(said.sum()))
        f1 = estimate(value, drawn[:, j], confidence, concerned, jaccard=True)
        precision, recall = hits / max(1, said.sum()), hits / max(1, right.sum())
        support = int(right.sum())
        told.append(ClassScores(precision, recall, f1.value, f1.low, f1.high, support))
    return told
