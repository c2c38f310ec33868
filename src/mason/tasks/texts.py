"""What tasks share that learn something of each text: texts as tokens, a loss a text."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import torch
from jaxtyping import Float
from torch import Tensor

from mason.models.packed import Packed
from mason.models.stack import Look
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
        return self.right(self.said(model, run), run)

    def said(self, model: Any, run: Sequence[int], look: Look | None = None) -> Tensor:
        """Outputs of each text of a run, in fp32 [texts, outputs]; see ``Transformer.logits``."""
        return class_logits(model, self.examples.pack(run, device_of(model)), look).float()

    def num_rows(self, run: Sequence[int]) -> list[int]:
        """A row a text."""
        return [1] * len(run)

    def right(self, said: Tensor, run: Sequence[int]) -> Tensor:
        """The summed loss of outputs, by the targets of a run."""
        return self.summed(said, self.targets[list(run)].to(said.device))

    @abstractmethod
    def apart(self, said: Tensor, wanted: Tensor, run: Sequence[int], heat: float) -> Tensor:
        """How far outputs are from a teacher's, summed over texts; 0 where they are the same."""

    @abstractmethod
    def summed(self, logits: Float[Tensor, "N O"], targets: Float[Tensor, "N *o"]) -> Tensor:
        """The loss of these outputs."""
