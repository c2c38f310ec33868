"""A short list and a contest to draw, with names of any kind."""

import numpy as np

from mason.advice.curves import Forecast
from mason.advice.ranking import Promise
from mason.advice.short_list import Candidate, Doubt, ShortList
from mason.evaluation.contest import Contest
from mason.metrics import Estimate

ROWS = 200


def _marks(share: float) -> np.ndarray:
    return (np.arange(ROWS) / ROWS < share).astype(float)


def _candidate(
    name: str, share: float, *, fits: bool = True, licence: str = "apache-2.0"
) -> Candidate:
    probe = Estimate(share, share - 0.041, share + 0.037)
    promise = Promise(3.876, -0.0528, share - 0.1, probe)
    return Candidate(
        name,
        licence if fits else None,
        22_700_000,
        90_000_000,
        10**9,
        fits,
        158.0,
        3.0,
        promise,
        1.5,
        _marks(share),
    )


def short_list(
    best: str = "all-MiniLM-L6-v2", text: str = "What is DTMF ?", licence: str = "apache-2.0"
) -> ShortList:
    """Three models, one of which is too large, forecasts and a doubt."""
    models = [_candidate(best, 0.767, licence=licence), _candidate("small", 0.44)]
    models.append(_candidate("large", 0.8, fits=False))
    seen = [(21, 0.42), (52, 0.5), (120, 0.64), (240, 0.767)]
    ahead = [
        Forecast(400, Estimate(0.812, 0.783, 0.841), Estimate(0.045, 0.016, 0.074)),
        Forecast(800, Estimate(0.851, 0.799, 0.893), Estimate(0.084, 0.032, 0.126)),
    ]
    doubts = [Doubt(1574, text, "LOC", "ENTY", 0.807)]
    words, known = Estimate(0.663, 0.613, 0.717), {"broken": "broken cannot be read."}
    return ShortList(
        "reviews.csv", "rows", "accuracy", 4359, ROWS, models, known, words, _marks(0.663),
        seen, ahead, doubts,
    )  # fmt: skip


def contest(first: str = "runs/one") -> Contest:
    """Three models: one is worse than the first, one is as good."""
    marks = [_marks(share) for share in (0.9, 0.7, 0.895)]
    return Contest.of("accuracy", [first, "runs/worse", "runs/same"], marks, None)
