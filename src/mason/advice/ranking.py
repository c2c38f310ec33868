"""Models by several scores at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mason.advice.asked import Asked
from mason.advice.probe import over_readings
from mason.metrics.classification import Estimate


@dataclass(frozen=True)
class Promise:
    """What a model's features are worth before it is trained; the higher, the better.

    Of several readings of each row all but the probe's is the mean, and the probe answers by all.

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
    def unseen(self) -> tuple[float, float]:
        """The scores of rows that what answers has not seen."""
        return self.neighbours, self.probe.value


def promise_of(features: NDArray[np.float32], asked: Asked) -> tuple[Promise, NDArray[np.float64]]:
    """The scores of a model's features, and the probe's out-of-fold answers.

    Args:
        features: [rows, readings, width].
        asked: What the rows are asked for.
    """
    said = asked.out_of_fold(over_readings(asked.probe), features)
    readings = features.swapaxes(0, 1)
    shares = [score for one in readings if (score := asked.h_score(one)) is not None]
    promise = Promise(
        float(np.mean(shares)) if shares else None,
        float(np.mean([asked.log_me(one) for one in readings])),
        float(np.mean([asked.neighbours(one) for one in readings])),
        asked.estimate(said),
    )
    return promise, said


def mean_ranks(promises: Mapping[str, Promise]) -> dict[str, float]:
    """Each model's mean place by the scores of rows not seen, 1 the best; level ones share theirs.

    The other two say how well the rows are fitted that they are worked out from, which models of
    different widths cannot be compared by: with them the order is farther from the one that
    fine-tuning gives (LOG.md).
    """
    columns = list(zip(*(promise.unseen for promise in promises.values()), strict=True))
    places = np.mean([_places(column) for column in columns], axis=0)
    return dict(zip(promises, places.tolist(), strict=True))


def _places(values: Sequence[float]) -> list[float]:
    given = np.asarray(values)
    return [float((given > v).sum() + ((given == v).sum() + 1) / 2) for v in given]
