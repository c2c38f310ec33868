"""Dialogue: whole conversations are read, and the tokens of chosen turns are learned."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from mason.models.packed import Packed
from mason.models.transformer import device_of
from mason.tasks.classification import reading_passes

HEAD = "language"
Ids = Sequence[Sequence[int]]


@dataclass(frozen=True)
class Conversations:
    """Conversations as tokens.

    Attributes:
        tokens: Of each.
        learned: For each token 1 where it is a target, else 0; the first never is.
        last: Where the last answer of each begins.
        whole: Tokens each had before it was cut.
    """

    tokens: Ids
    learned: Ids
    last: Sequence[int]
    whole: Sequence[int]

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def lengths(self) -> list[int]:
        """Tokens of each."""
        return [len(ids) for ids in self.tokens]

    @property
    def columns(self) -> tuple[Ids, Ids]:
        """Every number of every example, a column at a time."""
        return self.tokens, self.learned

    @property
    def num_learned(self) -> int:
        """Targets, all told."""
        return sum(map(sum, self.learned))

    def cut(self, most: int) -> "Conversations":
        """The same with at most ``most`` tokens, the last of which is a target."""
        most = max(2, most)
        learned = [[*mask[:most][:-1], 1] for mask in self.learned]
        last = [min(begin, most - 1) for begin in self.last]
        return Conversations([ids[:most] for ids in self.tokens], learned, last, self.whole)


class Told(NamedTuple):
    """What a model says of conversations; each array has an item a conversation.

    Attributes:
        losses: Negative log-likelihood of all its targets.
        right: Targets that were the likeliest token.
        counts: Targets.
    """

    losses: np.ndarray
    right: np.ndarray
    counts: np.ndarray


class Dialogue:
    """Cross-entropy of the learned tokens, each given all before it."""

    def __init__(self, conversations: Conversations) -> None:
        self.conversations, self.lengths = conversations, conversations.lengths
        self._counts = [sum(mask) for mask in conversations.learned]

    def count(self, batch: Any) -> int:
        """Tokens that are learned."""
        return sum(self._counts[int(i)] for i in batch)

    def loss(self, model: Any, run: Sequence[int]) -> Tensor:
        """The summed cross-entropy, in fp32."""
        hidden, right = self._guessing(model, run)
        loss: Tensor = model.heads[HEAD].cross_entropy(hidden, right)
        return loss

    def _guessing(self, model: Any, run: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Hidden states of the rows before the targets, and the targets."""
        told, device = self.conversations, device_of(model)
        packed = Packed.of([told.tokens[i] for i in run], device=device)
        masks = np.concatenate([np.asarray(told.learned[i], dtype=bool) for i in run])
        at = torch.from_numpy(np.flatnonzero(masks)).to(device)
        return model(packed, at=at - 1), packed.tokens[at]

    @torch.no_grad()
    def tell(self, model: Any, *, budget: int = 2048) -> Told:
        """Losses and hits of every conversation.

        Args:
            model: In evaluation mode.
            budget: Most tokens read at once.
        """
        size = len(self.conversations)
        losses, right = np.zeros(size), np.zeros(size)
        for run in reading_passes(self.lengths, budget):
            hidden, wanted = self._guessing(model, run)
            owners = np.repeat(run, [self._counts[i] for i in run])
            for rows, tokens, of in zip(
                hidden.split(256), wanted.split(256), _split(owners, 256), strict=True
            ):
                logits = model.heads[HEAD](rows).float()
                each = torch.nn.functional.cross_entropy(logits, tokens, reduction="none")
                np.add.at(losses, of, each.cpu().numpy())
                np.add.at(right, of, (logits.argmax(1) == tokens).cpu().numpy())
        return Told(losses, right, np.array(self._counts))


def _split(values: np.ndarray, size: int) -> list[np.ndarray]:
    return [values[start : start + size] for start in range(0, len(values), size)]
