"""Whether a picture is true of the model: what happens when its words go, in its order.

The area over the perturbation curve (DeYoung et al. 2020), normalised by what any order of the
same words reaches (NAOPC, Edin et al. 2024), so that texts and models compare. Words go without
a blank left behind, while most methods leave one: a measure favours a method that shares its
mask.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mason.explanation.subjects import Kept, Removals, Subject, Weights

FEWEST_WORDS = 3
"""Two words have one order and its reverse."""
_MOST_UNITS = 20
_BEAM = 4
_DRAWS = 25
_SEED = 0

Orders = NDArray[np.int64]


@dataclass(frozen=True)
class Faithfulness:
    """What a picture's order of words does to the number, beside all other orders.

    Attributes:
        comprehensiveness: What the number loses in the mean while words go, the weightiest
            first: 0 is the worst order of these words, 1 the best.
        sufficiency: What it loses in the mean while only the weightiest are kept: 0 is the
            best, 1 the worst.
        margin: The first less the second. An order and its reverse swap the two, so a random
            one has 0 in the mean, and -1 and 1 are the ends.
        beaten: Share of random orders whose margin is no larger.
        range: Between the best order's loss and the worst's, in the number's own unit: what
            the words can do at all.
        units: Parts of the text that went one after another: words, or runs of them where
            the text is long.
    """

    comprehensiveness: float
    sufficiency: float
    margin: float
    beaten: float
    range: float
    units: int


class Judge:
    """Judges orders of a subject's words; what the methods share is computed once.

    Args:
        subject: With at least ``FEWEST_WORDS`` words.
        cut: Whether words that go leave nothing behind, or a blank.
        seed: Of the random orders.
    """

    def __init__(self, subject: Subject, *, cut: bool = True, seed: int = _SEED) -> None:
        words = len(subject.words)
        self.units = min(words, _MOST_UNITS)
        self._unit_of = np.arange(words) * self.units // words
        self._ask, self._probable = Removals(subject, cut=cut), subject.number.probable
        self._whole = self._number(np.ones((1, self.units), dtype=bool))[0]
        chance = np.random.default_rng(seed)
        drawn = np.array([chance.permutation(self.units) for _ in range(_DRAWS)])
        forward, backward = self._losses(drawn), self._losses(drawn[:, ::-1])
        self._random = np.append(forward - backward, backward - forward)
        ends = [self._extreme(sign) for sign in (1, -1)]
        reached = np.concatenate([forward, backward, ends])
        self.low, self.high = float(reached.min()), float(reached.max())

    def __call__(self, weights: Weights) -> Faithfulness:
        """Judge the order of these weights, [words], the largest first."""
        summed = np.bincount(self._unit_of, weights, minlength=self.units)
        order = np.argsort(-summed, kind="stable")
        forward, backward = self._losses(np.array([order, order[::-1]]))
        # A search does not find every end, so an order may lie beyond.
        low, high = min(self.low, forward, backward), max(self.high, forward, backward)
        scale = max(high - low, 1e-12)
        return Faithfulness(
            comprehensiveness=float((forward - low) / scale),
            sufficiency=float((backward - low) / scale),
            margin=float((forward - backward) / scale),
            beaten=float((self._random <= forward - backward + 1e-12).mean()),
            range=float(high - low),
            units=self.units,
        )

    def _losses(self, orders: Orders) -> Weights:
        """What the number loses in the mean on the way of each order, [orders].

        The ends of the way, all words and none, are the same for every order and left out.
        """
        ranks = orders.argsort(1)
        steps = np.arange(1, self.units)
        kept = ranks[:, None, :] >= steps[None, :, None]
        told = self._number(kept.reshape(-1, self.units)).reshape(len(orders), -1)
        losses: Weights = self._whole - told.mean(1)
        return losses

    def _extreme(self, sign: int) -> float:
        """The largest (sign 1) or smallest (-1) loss of any order, by beam search."""
        beam = [(0.0, np.ones(self.units, dtype=bool))]
        for _ in range(self.units - 1):
            grown: dict[bytes, tuple[float, NDArray[np.bool_]]] = {}
            shorter = [(total, kept, i) for total, kept in beam for i in np.flatnonzero(kept)]
            variants = np.array([kept for _, kept, _ in shorter])
            variants[np.arange(len(shorter)), [i for _, _, i in shorter]] = False
            told = sign * (self._whole - self._number(variants))
            for (total, _, _), kept, loss in zip(shorter, variants, told, strict=True):
                key, reached = kept.tobytes(), total + float(loss)
                if key not in grown or grown[key][0] < reached:
                    grown[key] = (reached, kept)
            beam = sorted(grown.values(), key=lambda found: -found[0])[:_BEAM]
        return sign * beam[0][0] / (self.units - 1)

    def _number(self, kept: Kept) -> Weights:
        """The number of each variant, as a user sees it, where only these units are kept."""
        told = self._ask(kept[:, self._unit_of])
        return 1 / (1 + np.exp(-told)) if self._probable else told
