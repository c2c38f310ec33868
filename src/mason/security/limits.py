"""What an attack must keep: how much may change, and how near the meaning must stay."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Nearness = Callable[[str, Sequence[str]], npt.NDArray[np.floating]]
"""Cosine of a text's sentence vector with that of each of others."""


@dataclass(frozen=True)
class Limits:
    """Constraints of an attack; its success means nothing without them (Morris et al. 2020).

    Attributes:
        max_share: Words that may change, of all; one always may.
        min_similarity: Least cosine of the sentence vectors before and after; None: none asked.
        keep_stop_words: Words of grammar stay.
        max_queries: Texts the victim may be asked for one text.
    """

    max_share: float = 0.3
    min_similarity: float | None = None
    keep_stop_words: bool = False
    max_queries: int = 2000

    @property
    def least_similarity(self) -> float:
        """The least cosine, or what every cosine reaches."""
        return -1.0 if self.min_similarity is None else self.min_similarity

    def max_changes(self, num_words: int) -> int:
        """Words of a text that may change."""
        return max(1, int(self.max_share * num_words))
