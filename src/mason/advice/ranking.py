"""Models by several scores at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mason.advice.probe import linear_probe
from mason.advice.transferability import h_score, log_me, neighbour_accuracy
from mason.metrics.classification import Estimate, scores
from mason.metrics.folds import out_of_fold


@dataclass(frozen=True)
class Promise:
    """What a model's features are worth before it is trained; the higher, the better.

    Attributes:
        h_score: See ``transferability.h_score``.
        log_me: See ``transferability.log_me``.
        neighbours: See ``transferability.neighbour_accuracy``.
        probe: Accuracy of a linear map on them, on rows it has not seen.
    """

    h_score: float
    log_me: float
    neighbours: float
    probe: Estimate

    @property
    def scores(self) -> tuple[float, ...]:
        """All of them."""
        return self.h_score, self.log_me, self.neighbours, self.probe.value


def promise_of(
    features: NDArray[np.float32], targets: NDArray[np.int64], num_classes: int
) -> tuple[Promise, NDArray[np.float64]]:
    """The scores of a model's features, and the probe's out-of-fold probabilities.

    Args:
        features: [rows, width].
        targets: Class numbers [rows].
        num_classes: How many classes there are.
    """
    said = out_of_fold(linear_probe, features, targets, num_classes)
    told = scores(targets, said.argmax(axis=1), num_classes).overall["accuracy"]
    promise = Promise(
        h_score(features, targets),
        log_me(features, targets, num_classes),
        neighbour_accuracy(features, targets),
        told,
    )
    return promise, said


def mean_ranks(promises: Mapping[str, Promise]) -> dict[str, float]:
    """Each model's mean place over all scores, 1 the best; level ones share their places.

    Scores in different units cannot be added, places can; no single score is best for all
    data.
    """
    columns = list(zip(*(promise.scores for promise in promises.values()), strict=True))
    places = np.mean([_places(column) for column in columns], axis=0)
    return dict(zip(promises, places.tolist(), strict=True))


def _places(values: Sequence[float]) -> list[float]:
    given = np.asarray(values)
    return [float((given > v).sum() + ((given == v).sum() + 1) / 2) for v in given]
