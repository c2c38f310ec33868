"""Causal language modelling: guess the next token (Radford et al. 2018)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mason.models.packed import Packed
from mason.models.transformer import device_of
from mason.tasks.pretraining.passages import Ids, Marks, Passages, chance_of


class CausalLanguage:
    """Cross-entropy of every token given those before it.

    Args:
        passages: What is read.
        marks: The marks in it; the closing one is guessed too, so that a model can end.
    """

    def __init__(self, passages: Passages, marks: Marks) -> None:
        self.passages, self.marks, self.lengths = passages, marks, passages.lengths

    def count(self, batch: Sequence[int]) -> int:
        """Guessed tokens of the batch."""
        lengths = ((int(i), len(self.read(int(i)))) for i in batch)
        return sum(length - self.known(i, length) for i, length in lengths)

    def read(self, index: int) -> Ids:
        """The tokens of a passage."""
        return self.passages.draw(index, chance_of(index)).tokens

    def known(self, index: int, length: int) -> int:
        """Tokens of a passage that are not guessed: the first one."""
        return 1

    def loss(self, model: Any, run: Sequence[int]) -> Tensor:
        """The summed cross-entropy, in fp32."""
        device = device_of(model)
        packed = Packed.of([self.read(int(i)).tolist() for i in run], device=device)
        starts = np.cumsum([0, *packed.lengths[:-1]])
        before = [
            start + np.arange(self.known(int(i), length), length) - 1
            for i, length, start in zip(run, packed.lengths, starts, strict=True)
        ]
        at = torch.from_numpy(np.concatenate(before)).to(device)
        head = model.heads["language"]
        loss: Tensor = head.cross_entropy(model(packed, at=at), packed.tokens[at + 1])
        return loss


class PrefixLanguage(CausalLanguage):
    """Only what follows a random prefix is guessed (Dong et al. 2019; Raffel et al. 2020).

    The prefix is read causally too: one mask for all decoders, and no second kind of
    attention at decode time.
    """

    def known(self, index: int, length: int) -> int:
        """A random share of the passage, at least one token, at most all but one."""
        return int(chance_of(index).integers(1, max(2, length)))
