"""Denoising: write the whole text from a damaged one (Lewis et al. 2020, BART)."""

from collections.abc import Callable

import numpy as np

from mason.tasks.pretraining.passages import Ids, Marks, Passages, chance_of
from mason.tasks.pretraining.spans import SequenceToSequence


class Denoising(SequenceToSequence):
    """Text infilling and, where sentences are known, their permutation.

    Runs of tokens, their length from a Poisson distribution (mean 3), become one mask each;
    a run of length 0 is a mask put in.

    Args:
        passages: What is read.
        marks: ``mask`` is needed.
        rate: Share of the text's tokens that is taken out.
        mean: Mean length of a run.
        ends: Tells at which tokens sentences end, to permute them; None: they stay.
    """

    def __init__(
        self,
        passages: Passages,
        marks: Marks,
        *,
        rate: float = 0.3,
        mean: float = 3.0,
        ends: Callable[[Ids], np.ndarray] | None = None,
    ) -> None:
        super().__init__(passages, marks)
        self.rate, self.mean, self.ends = rate, mean, ends

    def pair(self, index: int) -> tuple[Ids, Ids]:
        """The damaged text and the whole one, each between its marks."""
        chance = chance_of(index)
        passage = self.passages.draw(index, chance)
        text = passage.tokens[passage.is_text]
        damaged = text
        if self.ends is not None:
            sentences = np.split(text, np.flatnonzero(self.ends(text))[:-1] + 1)
            damaged = np.concatenate([sentences[i] for i in chance.permutation(len(sentences))])
        return self.marks.around(self.infill(damaged, chance)), self.marks.around(text)

    def infill(self, text: Ids, chance: np.random.Generator) -> Ids:
        """Replace random runs by a mask each."""
        assert self.marks.mask is not None, "denoising needs a mask"
        left = round(self.rate * len(text))
        taken = np.zeros(len(text), dtype=np.bool_)
        masks = np.zeros(len(text) + 1, dtype=np.int64)
        while left > 0:
            length = min(int(chance.poisson(self.mean)), left)
            start = int(chance.integers(len(text) - length + 1))
            if not taken[start : start + length].any():
                masks[start] += 1
                taken[start : start + length] = True
                # A mask put in costs one as well, so that the loop ends.
                left -= max(length, 1)
            else:
                left -= 1
        out: list[int] = []
        for i, token in enumerate(text):
            out += [self.marks.mask] * int(masks[i])
            if not taken[i]:
                out.append(int(token))
        return np.array(out + [self.marks.mask] * int(masks[-1]), np.int64)
