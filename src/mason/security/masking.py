"""A vote over copies of a text with most words left out, which few changed words cannot turn.

Randomised ablation (Levine & Feizi 2020; for texts RanMASK, Zeng et al. 2023): every copy keeps
a few of the words, drawn at random. A change of *d* words is in no copy that keeps none of
them, so it moves the share of votes by at most the chance that a copy keeps one.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import comb

import numpy as np
import numpy.typing as npt

from mason.security.words import Words
from mason.text.cleaning import clean

Probabilities = npt.NDArray[np.floating]
_ALPHA = 0.05
"""The certificate may be wrong for one text in 20, as in the paper."""


@dataclass(frozen=True)
class Vote:
    """How copies are made.

    Attributes:
        kept: Share of the words that a copy keeps; one at least.
        copies: Copies of a text that vote.
    """

    kept: float = 0.3
    copies: int = 50

    def num_kept(self, num_words: int) -> int:
        """Words that a copy of a text keeps."""
        return min(num_words, max(1, round(self.kept * num_words)))

    def copies_of(self, text: str, count: int, seed: int = 0) -> list[str]:
        """Copies of ``text`` to learn from or to tell by, drawn by the text and ``seed``."""
        return self._drawn(_cut(text), text, count, seed)

    def ballot_of(self, text: str) -> list[str]:
        """The copies of ``text`` that vote: the same places in every text of so many words.

        Who changes a word changes the copies that keep it and no others. Were they drawn by the
        text, any change would draw them all anew, and who may ask often enough waits for a draw
        that turns the vote.
        """
        words = _cut(text)
        return self._drawn(words, str(len(words)), self.copies, 0)

    def _drawn(self, words: Words, by: str, count: int, seed: int) -> list[str]:
        if not len(words):
            return [str(words)] * count
        digest = hashlib.sha256(f"{seed}/{by}".encode("utf-8", "surrogatepass")).digest()
        draw = np.random.default_rng(int.from_bytes(digest[:8], "big"))
        keep = self.num_kept(len(words))
        drawn = (np.sort(draw.choice(len(words), keep, replace=False)) for _ in range(count))
        return [words.kept(places.tolist()) for places in drawn]

    def shares(
        self, answer: Callable[[Sequence[str]], Probabilities], texts: Sequence[str]
    ) -> Probabilities:
        """Share of the copies that vote for each class [texts, classes].

        Args:
            answer: Probabilities of texts, by a classifier that has learned from such copies.
            texts: To be read.
        """
        copies = [copy for text in texts for copy in self.ballot_of(text)]
        told = answer(copies)
        votes = np.eye(told.shape[1])[told.argmax(1)]
        shares: Probabilities = votes.reshape(len(texts), self.copies, -1).mean(1)
        return shares

    def certified(
        self,
        answer: Callable[[Sequence[str]], Probabilities],
        text: str,
        label: int,
        copies: int = 1000,
    ) -> int:
        """Words that may be replaced by any others without turning the right answer.

        It is the answer of all copies there are, of which ``copies`` are drawn to tell: wrong of
        one text in 20. ``shares`` asks fewer, so that close votes may turn where this one does
        not. In Chinese a word is a character.

        Args:
            answer: As for ``shares``.
            text: To be read.
            label: Its right class.
            copies: Votes to tell by.

        Returns:
            −1 where the answer is wrong or no more than likely.
        """
        told = answer(self.copies_of(text, copies, seed=1)).argmax(1)
        low = _lower_bound(int((told == label).sum()), copies)
        words = len(_cut(text))
        keep, found = self.num_kept(words), -1
        for changed in range(words + 1):
            untouched = comb(words - changed, keep) / comb(words, keep) if words else 1.0
            # The vote for the right class keeps the majority whatever the touched copies say.
            if low - (1 - untouched) <= 0.5:
                break
            found = changed
        return found


def _cut(text: str) -> Words:
    """By characters where jieba might cut others' neighbours anew for one that changed.

    Of the text as the cleaner leaves it: what nobody sees must not part words, or places move.
    """
    return Words.of(clean(text), "character")


def _lower_bound(hits: int, trials: int) -> float:
    """The lower end of Clopper & Pearson's interval (1934) for a share, one-sided."""
    from scipy.stats import beta

    return float(beta.ppf(_ALPHA, hits, trials - hits + 1)) if hits else 0.0
