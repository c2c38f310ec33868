"""Recovery: a smaller model learns what the larger one says, not only what is right."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from mason.models.packed import Packed
from mason.models.transformer import Transformer
from mason.tasks.classification import HEAD, Examples, class_logits
from mason.training.batches import Indices

_SOFT, _HEAT = 0.9, 2.0
"""Share of the teacher's word in the loss, and what both logits are divided by in it."""


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
    """The teacher's probabilities and the right labels (Hinton et al. 2015).

    Args:
        examples: With targets; those without any would do too, if ``share`` is 1.
        teacher: Its logits for each example [rows, classes].
        share: How much of the loss is the teacher's; 0: none.
        heat: What logits are divided by before they are compared.
        layers: Whose rows the student's shall resemble; None: nobody's.
    """

    def __init__(
        self,
        examples: Examples,
        teacher: Float[Tensor, "N C"],
        *,
        share: float = _SOFT,
        heat: float = _HEAT,
        layers: Layers | None = None,
    ) -> None:
        assert examples.targets is not None or share == 1, "nobody says what is right"
        self.examples, self.lengths = examples, examples.lengths
        self.targets = torch.tensor(list(examples.targets or [0] * len(examples)))
        self.share, self.heat, self.layers = share, heat, layers
        self.log_teacher = F.log_softmax(teacher.float() / heat, dim=1)

    def count(self, batch: Indices) -> int:
        """One target an example."""
        return len(batch)

    def loss(self, model: Any, run: Sequence[int]) -> Tensor:
        """The summed loss, in fp32; the teacher's part is 0 where both say the same."""
        rows = list(run)
        device = next(model.parameters()).device
        packed = self.examples.pack(rows, device)
        logits, hidden = self._said(model, packed)
        right = F.cross_entropy(logits, self.targets[rows].to(device), reduction="sum")
        if not self.share:
            return right + hidden
        said = F.log_softmax(logits / self.heat, dim=1)
        wanted = self.log_teacher[rows].to(device)
        soft = F.kl_div(said, wanted, reduction="sum", log_target=True) * self.heat**2
        return self.share * soft + (1 - self.share) * right + hidden

    def _said(self, model: Any, packed: Packed) -> tuple[Tensor, Tensor | float]:
        """The student's logits, and how far its rows are from those of its teacher's layers."""
        if self.layers is None:
            return class_logits(model, packed).float(), 0.0
        ours, logits = _watched(model, packed)
        with torch.no_grad():
            theirs, _ = _watched(self.layers.teacher, packed)
        sequences, texts = packed.layout.sequences, len(packed.layout)
        counts = torch.tensor(packed.lengths, device=logits.device)
        far = logits.new_zeros(texts)
        for mine, its in self.layers.pairs.items():
            rows = theirs[its].float()
            apart = (ours[mine].float() - rows).square().mean(1) / rows.var()
            far = far + far.new_zeros(texts).index_add(0, sequences, apart) / counts
        return logits.float(), self.layers.weight * far.sum() / len(self.layers.pairs)


def _watched(model: Transformer, packed: Packed) -> tuple[dict[int, Tensor], Tensor]:
    """Rows after each layer by its number from 1, and the logits."""
    seen: dict[int, Tensor] = {}
    hidden = model(packed, look=seen.__setitem__)
    head: Any = model.heads[HEAD]
    rows, layout = head.rows(packed.layout), packed.layout
    pooled = head.pool(hidden, layout) if rows is None else hidden.index_select(0, rows)
    return seen, head(pooled)
