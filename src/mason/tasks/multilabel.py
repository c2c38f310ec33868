"""Multi-label classification: any number of labels for each text."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mason.models.transformer import Transformer
from mason.tasks.classification import PASS, output_features, solve_output
from mason.tasks.texts import OfTexts, TextObjective


@dataclass(frozen=True)
class Examples(OfTexts):
    """Texts as tokens, and the numbers of the labels that each has where they are known."""

    num_labels: int
    targets: Sequence[Sequence[int]] | None = None

    @property
    def columns(self) -> list[Sequence[Sequence[int]]]:
        """Every number of every example, a column at a time."""
        return [*super().columns, *([] if self.targets is None else [self.targets])]

    @property
    def table(self) -> np.ndarray:
        """1 where a text has a label, else 0, [rows, labels] in fp32."""
        assert self.targets is not None, "the labels are known"
        table = np.zeros((len(self), self.num_labels), np.float32)
        for row, labels in enumerate(self.targets):
            table[row, list(labels)] = 1.0
        return table


class MultiLabelObjective(TextObjective):
    """Binary cross-entropy of each label, its mean over the labels of a text."""

    def __init__(self, examples: Examples) -> None:
        super().__init__(examples)
        self.targets = torch.from_numpy(examples.table)

    def summed(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Of each text the mean over its labels."""
        return F.binary_cross_entropy_with_logits(logits, targets, reduction="none").mean(1).sum()

    def apart(self, said: Tensor, wanted: Tensor, run: Sequence[int], heat: float) -> Tensor:
        """The softened divergence of each label from the teacher's, its mean over the labels."""
        likely = (wanted / heat).sigmoid()
        least = self.summed(wanted / heat, likely)
        return (self.summed(said / heat, likely) - least) * heat**2


def probe(
    model: Transformer, examples: Examples, *, rows: int, seed: int, tokens_per_pass: int = PASS
) -> None:
    """Give a fresh output the values that suit the features; see ``classification.probe``.

    Args:
        model: Its output matrix is written; nothing else is touched.
        examples: With targets.
        rows: How many examples to look at, chosen by ``seed``.
        seed: Of the choice.
        tokens_per_pass: Most tokens that are read at once.
    """
    features, order = output_features(model, examples.texts, rows, seed, tokens_per_pass)
    targets = torch.from_numpy(examples.table[order]).double()

    def loss(logits: Tensor) -> Tensor:
        fit = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
        return fit.sum(1).mean()

    solve_output(model, features, loss)
