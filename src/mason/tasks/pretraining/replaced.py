"""Replaced-token detection: tell real tokens from plausible ones (Clark et al. 2020, ELECTRA)."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mason.models.transformer import device_of
from mason.tasks.pretraining.masked import MaskedLanguage


class ReplacedTokens:
    """A small generator fills holes; the model says of every token whether it was put there.

    The generator is a masked language model that learns beside it; its gradient does not
    pass through the sampled tokens. Afterwards only the model is used.

    Args:
        masked: What the generator learns; its rate says how many tokens are sampled.
        generator: A model with a head ``language``; shares the embedding if it is given so.
        weight: Weight of the model's loss beside the generator's (50 in the paper).
    """

    def __init__(
        self, masked: MaskedLanguage, generator: nn.Module, *, weight: float = 50.0
    ) -> None:
        self.masked, self.generator, self.weight = masked, generator, weight
        self.lengths = masked.lengths
        self._ratio = 1.0

    def count(self, batch: Sequence[int]) -> int:
        """Hidden tokens of the batch; begins the batch."""
        count = self.masked.count(batch)
        self._ratio = count / sum(self.lengths[int(i)] for i in batch)
        return count

    def loss(self, model: Any, run: Sequence[int]) -> Tensor:
        """The generator's summed loss, and the model's as its share of it."""
        packed, at, wanted, _ = self.masked.read(run, device_of(model))
        logits = self.generator.logits("language", packed, at=at).float()  # type: ignore[operator]
        loss = F.cross_entropy(logits, wanted, reduction="sum")
        with torch.no_grad():
            noise = -torch.empty_like(logits).exponential_().log()
            sampled = (logits + noise).argmax(1)  # Gumbel: a sample of the softmax
        whole = packed.tokens.index_copy(0, at, wanted)
        read = type(packed)(whole.index_copy(0, at, sampled), packed.layout, packed.token_types)
        replaced = (read.tokens != whole).float()
        answers = model.logits("replaced", read).squeeze(1).float()
        told = F.binary_cross_entropy_with_logits(answers, replaced, reduction="sum")
        return loss + self.weight * self._ratio * told
