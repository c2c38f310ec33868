"""Models by several scores at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mason.advice.asked import Asked
from mason.metrics.classification import Estimate


@dataclass(frozen=True)
class Promise:
    """What a model's features are worth before it is trained; the higher, the better.

    Attributes:
        h_score: See ``transferability.h_score``; None: the answers are no classes.
        log_me: See ``transferability.log_me``.
        neighbours: Score of what the nearest rows say.
        probe: Score of a linear map on them, on rows it has not seen.
    """

    h_score: float | None
    log_me: float
    neighbours: float
    probe: Estimate

    @property
    def scores(self) -> tuple[float, ...]:
        """All there are."""
        found = self.h_score, self.log_me, self.neighbours, self.probe.value
        return tuple(score for score in found if score is not None)


def promise_of(features: NDArray[np.float32], asked: Asked) -> tuple[Promise, NDArray[np.float64]]:
    """The scores of a model's features, and the probe's out-of-fold answers.

    Args:
        features: [rows, width].
        asked: What the rows are asked for.
    """
    said = asked.out_of_fold(asked.probe, features)
    promise = Promise(
        asked.h_score(features),
        asked.log_me(features),
        asked.neighbours(features),
        asked.estimate(said),
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
