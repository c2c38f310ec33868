"""Recovery: a smaller model learns what the larger one says, not only what is right."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from mason.tasks.classification import Examples, class_logits
from mason.training.batches import Indices

_SOFT, _HEAT = 0.9, 2.0
"""Share of the teacher's word in the loss, and what both logits are divided by in it."""


class Distillation:
    """The teacher's probabilities and the right labels (Hinton et al. 2015).

    Args:
        examples: With targets; those without any would do too, if ``share`` is 1.
        teacher: Its logits for each example [rows, classes].
        share: How much of the loss is the teacher's; 0: none.
        heat: What logits are divided by before they are compared.
    """

    def __init__(
        self,
        examples: Examples,
        teacher: Float[Tensor, "N C"],
        *,
        share: float = _SOFT,
        heat: float = _HEAT,
    ) -> None:
        assert examples.targets is not None or share == 1, "nobody says what is right"
        self.examples, self.lengths = examples, examples.lengths
        self.targets = torch.tensor(list(examples.targets or [0] * len(examples)))
        self.share, self.heat = share, heat
        self.log_teacher = F.log_softmax(teacher.float() / heat, dim=1)

    def count(self, batch: Indices) -> int:
        """One target an example."""
        return len(batch)

    def loss(self, model: Any, run: Sequence[int]) -> Tensor:
        """The summed loss, in fp32; the teacher's part is 0 where both say the same."""
        rows = list(run)
        device = next(model.parameters()).device
        logits = class_logits(model, self.examples.pack(rows, device)).float()
        right = F.cross_entropy(logits, self.targets[rows].to(device), reduction="sum")
        if not self.share:
            return right
        said = F.log_softmax(logits / self.heat, dim=1)
        wanted = self.log_teacher[rows].to(device)
        soft = F.kl_div(said, wanted, reduction="sum", log_target=True) * self.heat**2
        return self.share * soft + (1 - self.share) * right
