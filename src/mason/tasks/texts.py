"""What tasks share that learn something of each text: texts as tokens, a loss a text."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import torch
from jaxtyping import Float
from torch import Tensor

from mason.models.packed import Packed
from mason.models.transformer import device_of
from mason.tasks.classification import Examples as Texts
from mason.tasks.classification import class_logits


@dataclass(frozen=True)
class OfTexts:
    """Texts as tokens; a task adds what it knows of each."""

    texts: Texts

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def lengths(self) -> list[int]:
        """Tokens of each text."""
        return self.texts.lengths

    @property
    def columns(self) -> list[Sequence[Sequence[int]]]:
        """Every number of every example, a column at a time."""
        return [*self.texts.columns]

    def cut(self, most: int) -> Self:
        """The same with at most ``most`` tokens a text."""
        return replace(self, texts=self.texts.cut(most))

    def pack(self, run: Sequence[int], device: torch.device | str = "cpu") -> Packed:
        """The examples of these numbers as one flat batch."""
        return self.texts.pack(run, device)


class TextObjective(ABC):
    """A loss that is summed over texts, of a target each."""

    targets: Tensor

    def __init__(self, examples: OfTexts) -> None:
        self.examples, self.lengths = examples, examples.lengths

    def count(self, batch: Any) -> int:
        """One target an example."""
        return len(batch)

    def loss(self, model: Any, run: Sequence[int]) -> Tensor:
        """The summed loss, in fp32."""
        logits = class_logits(model, self.examples.pack(run, device_of(model))).float()
        return self.summed(logits, self.targets[list(run)].to(logits.device))

    @abstractmethod
    def summed(self, logits: Float[Tensor, "N O"], targets: Float[Tensor, "N *o"]) -> Tensor:
        """The loss of these outputs."""
