"""Which number of a model's outputs is explained: the one seam between tasks and methods.

A number of a task's own is one class here: called with a network and packed texts, it gives one
value a text. Everything else (methods, faithfulness, checks) asks nothing more of a task.

Answers that are likelier or less likely are explained by their log-odds, whose sigmoid is the
probability a user is shown: odds do not flatten where a model is sure, so gradients do not vanish.
"""

from dataclasses import dataclass
from typing import ClassVar, Protocol

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mason.models.packed import Packed
from mason.models.transformer import Transformer
from mason.tasks.classification import head_logits


class Number(Protocol):
    """One number of each of N packed texts."""

    @property
    def probable(self) -> bool:
        """Whether its sigmoid is a probability."""

    @property
    def head(self) -> str:
        """The head whose outputs it is of."""

    def __call__(
        self, network: Transformer, packed: Packed, rows: Int[Tensor, "N K"]
    ) -> Float[Tensor, "N"]:
        """The numbers; ``rows`` are those of the positions that a subject asks for."""


def log_odds(logits: Float[Tensor, "N C"], index: int) -> Float[Tensor, "N"]:
    """Log-odds of one class against all others."""
    others = torch.cat([logits[:, :index], logits[:, index + 1 :]], 1)
    return logits[:, index] - others.logsumexp(1)


@dataclass(frozen=True)
class ClassOdds:
    """Log-odds of a class of a text, after calibration."""

    head: str
    index: int
    temperature: float = 1.0
    probable: ClassVar[bool] = True

    def __call__(self, network: Transformer, packed: Packed, rows: Tensor) -> Tensor:
        """See ``Number``."""
        return log_odds(
            head_logits(network, self.head, packed).float() / self.temperature, self.index
        )


@dataclass(frozen=True)
class Output:
    """An output as it is: a label's log-odds where labels are free of each other, or a value."""

    head: str
    index: int
    probable: bool

    def __call__(self, network: Transformer, packed: Packed, rows: Tensor) -> Tensor:
        """See ``Number``."""
        return head_logits(network, self.head, packed).float()[:, self.index]


@dataclass(frozen=True)
class RowOdds:
    """Log-odds of a class at a position: a word's tag, or the token that comes next."""

    head: str
    index: int
    temperature: float = 1.0
    probable: ClassVar[bool] = True

    def __call__(self, network: Transformer, packed: Packed, rows: Tensor) -> Tensor:
        """See ``Number``."""
        logits = head_logits(network, self.head, packed, at=rows[:, 0]).float()
        return log_odds(logits / self.temperature, self.index)


@dataclass(frozen=True)
class SpanOdds:
    """Log-odds of an answer's first and last token among all tokens of its window."""

    head: str
    probable: ClassVar[bool] = True

    def __call__(self, network: Transformer, packed: Packed, rows: Tensor) -> Tensor:
        """See ``Number``."""
        ends = head_logits(network, self.head, packed).float()
        windows = [part.log_softmax(0) for part in ends.split(packed.lengths)]
        likely = torch.cat(windows)
        told = likely[rows[:, 0], 0] + likely[rows[:, 1], 1]
        return told - torch.log(-torch.expm1(told.clamp(max=-1e-6)))


@dataclass(frozen=True)
class WrittenOdds:
    """Log-odds of a token that a decoder writes, given a text and what it wrote before.

    Attributes:
        head: The language model's.
        before: What the decoder reads, its start token first.
        index: The token.
    """

    head: str
    before: tuple[int, ...]
    index: int
    probable: ClassVar[bool] = True

    def __call__(self, network: Transformer, packed: Packed, rows: Tensor) -> Tensor:
        """See ``Number``."""
        target = Packed.of([self.before] * len(packed.layout), device=packed.tokens.device)
        logits = network.logits(self.head, packed, target, at=target.layout.last)
        return log_odds(logits.float(), self.index)
