"""Recovery: a smaller model learns what the larger one says, not only what is right."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn

from mason.models.stack import Look
from mason.models.transformer import Transformer
from mason.tasks.classification import reading_passes
from mason.training.batches import Indices

_SOFT, _HEAT = 0.9, 2.0
"""Share of the teacher's word in the loss, and what both logits are divided by in it."""


@runtime_checkable
class Teachable(Protocol):
    """An objective whose outputs, and not its targets alone, can be learned from a teacher."""

    @property
    def lengths(self) -> Sequence[int]:
        """Tokens of each example."""

    def count(self, batch: Indices) -> int:
        """How many targets the batch has."""

    def said(self, model: nn.Module, run: Sequence[int], look: Look | None = None) -> Tensor:
        """Outputs of a run of examples [rows, outputs], one example's after another's."""

    def num_rows(self, run: Sequence[int]) -> list[int]:
        """How many of the rows are of each example."""

    def right(self, said: Tensor, run: Sequence[int]) -> Tensor:
        """The summed loss of outputs, by the targets."""

    def apart(self, said: Tensor, wanted: Tensor, run: Sequence[int], heat: float) -> Tensor:
        """How far outputs are from a teacher's, summed over the targets; 0: not at all."""


@dataclass(frozen=True)
class Layers:
    """Whose rows a student's shall resemble, layer by layer (TinyBERT: Jiao et al. 2020).

    Attributes:
        teacher: A model as wide as the student.
        pairs: A layer of the student's and the teacher's, counted from 1.
        weight: Of the mean squared distance, as a share of the variance of the teacher's rows.
    """

    teacher: Transformer
    pairs: Mapping[int, int]
    weight: float = 1.0

    @classmethod
    def of(cls, teacher: Transformer, kept: Sequence[int]) -> "Layers":
        """For a student that has these layers of its teacher's, counted from 0.

        Each gives what the next one that is left was given before.
        """
        ends = [*kept[1:], teacher.spec.input_stack.depth]
        return cls(teacher.eval(), {number: end for number, end in enumerate(ends, start=1)})


class Distillation:
    """The teacher's outputs and the right ones (Hinton et al. 2015).

    Args:
        objective: What is learned.
        teacher: Its outputs for each example, as ``answers_of`` gives them.
        share: How much of the loss is the teacher's; 0: none.
        heat: What logits are divided by before they are compared.
        layers: Whose rows the student's shall resemble; None: nobody's.
    """

    def __init__(
        self,
        objective: Teachable,
        teacher: Sequence[Tensor],
        *,
        share: float = _SOFT,
        heat: float = _HEAT,
        layers: Layers | None = None,
    ) -> None:
        self.objective, self.teacher, self.lengths = objective, teacher, objective.lengths
        self.share, self.heat, self.layers = share, heat, layers

    def count(self, batch: Indices) -> int:
        """As of what is learned."""
        return self.objective.count(batch)

    def loss(self, model: Any, run: Sequence[int]) -> Tensor:
        """The summed loss, in fp32; the teacher's part is 0 where both say the same."""
        seen: dict[int, Tensor] = {}
        said = self.objective.said(model, run, seen.__setitem__ if self.layers else None)
        loss = (1 - self.share) * self.objective.right(said, run)
        if self.share:
            wanted = torch.cat([self.teacher[i] for i in run]).to(said.device)
            loss = loss + self.share * self.objective.apart(said, wanted, run, self.heat)
        return loss if self.layers is None else loss + self._far(self.layers, seen, run)

    def _far(self, layers: Layers, ours: Mapping[int, Tensor], run: Sequence[int]) -> Tensor:
        """How far the student's rows are from those of its teacher's layers.

        The mean over the rows of each text, which counts as often as a text has targets.
        """
        theirs: dict[int, Tensor] = {}
        with torch.no_grad():
            self.objective.said(layers.teacher, run, theirs.__setitem__)
        device = next(iter(theirs.values())).device
        counts = torch.tensor([self.lengths[i] for i in run], device=device)
        texts = torch.arange(len(run), device=device).repeat_interleave(counts)
        far = torch.zeros(len(run), device=device)
        for mine, its in layers.pairs.items():
            rows = theirs[its].float()
            apart = (ours[mine].float() - rows).square().mean(1) / rows.var()
            far = far + torch.zeros_like(far).index_add(0, texts, apart) / counts
        each = self.objective.count(np.asarray(run)) / len(run)
        return layers.weight * each * far.sum() / len(layers.pairs)


@torch.no_grad()
def answers_of(model: nn.Module, objective: Teachable) -> list[Tensor]:
    """What a model says of each example [rows, outputs], on the CPU."""
    found = [torch.empty(0)] * len(objective.lengths)
    for run in reading_passes(objective.lengths):
        said = objective.said(model, run).cpu().split(objective.num_rows(run))
        for i, rows in zip(run, said, strict=True):
            found[i] = rows
    return found
