"""What an attack did to many texts, with how far so few texts can tell."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean

from mason.metrics import Estimate
from mason.security.search import Outcome


def wilson(hits: int, trials: int, z: float = 1.96) -> Estimate:
    """A share with Wilson's interval (1927), which holds for few trials and near 0 and 1."""
    if not trials:
        return Estimate(math.nan, 0.0, 1.0)
    share, over = hits / trials, z * z / trials
    middle = (share + over / 2) / (1 + over)
    half = z / (1 + over) * math.sqrt(share * (1 - share) / trials + over / (4 * trials))
    return Estimate(
        share,
        max(0.0, middle - half) if hits else 0.0,
        min(1.0, middle + half) if hits < trials else 1.0,
    )


@dataclass(frozen=True)
class Summary:
    """An attack on some rows.

    Attributes:
        rows: Texts.
        clean: Share answered rightly before.
        under_attack: Share answered rightly after.
        success: Of the texts answered rightly, the share that was turned.
        queries: Mean texts the victim was asked for each text attacked.
        changed: Mean share of words changed where the attack succeeded.
        similarity: Mean cosine of sentence vectors there; None: they were not compared.
    """

    rows: int
    clean: Estimate
    under_attack: Estimate
    success: Estimate
    queries: float
    changed: float | None
    similarity: float | None


def summarise(outcomes: Sequence[Outcome]) -> Summary:
    """Everything a report says of an attack."""
    tried = [o for o in outcomes if o.tried]
    won = [o for o in tried if o.success]
    near = [o.similarity for o in won if o.similarity is not None]
    return Summary(
        len(outcomes),
        wilson(len(tried), len(outcomes)),
        wilson(len(tried) - len(won), len(outcomes)),
        wilson(len(won), len(tried)),
        mean(o.queries for o in tried) if tried else 0.0,
        mean(o.changed / o.words for o in won) if won else None,
        mean(near) if near else None,
    )
