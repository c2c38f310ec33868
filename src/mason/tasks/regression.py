"""Regression: one number for each text, such as a number of stars."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from mason.models.transformer import Transformer
from mason.tasks.classification import (
    PASS,
    output_features,
    output_of,
    predict_logits,
)
from mason.tasks.texts import OfTexts, TextObjective

HEAD = "classification"
"""As in transformers: a classifier with one output and no softmax."""
OUTPUT = f"heads.{HEAD}.output.weight"


@dataclass(frozen=True)
class Examples(OfTexts):
    """Texts as tokens, and the number that belongs to each where it is known."""

    targets: Sequence[float] | None = None

    @property
    def columns(self) -> list[Sequence[Sequence[int]]]:
        """Every number of every example, a column at a time; targets as the bits they are."""
        bits = np.asarray(self.targets or (), np.float64).view(np.int64)
        return [*super().columns, bits[:, None].tolist()]


class RegressionObjective(TextObjective):
    """Squared error over the variance of the targets, so that 1 is what their mean scores."""

    def __init__(self, examples: Examples) -> None:
        assert examples.targets is not None, "training needs targets"
        super().__init__(examples)
        self.targets = torch.tensor(list(examples.targets), dtype=torch.float32)
        self.variance = max(float(self.targets.var(correction=0)), 1e-12)

    def summed(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The squared error over the variance."""
        return (logits[:, 0] - targets).square().sum() / self.variance

    def apart(self, said: Tensor, wanted: Tensor, run: Sequence[int], heat: float) -> Tensor:
        """As from the right numbers; numbers are not softened."""
        return self.summed(said, wanted[:, 0])


def predict_values(model: Transformer, examples: Examples) -> npt.NDArray[np.float64]:
    """The model's number for each text."""
    return predict_logits(model, examples.texts)[:, 0].astype(np.float64)


def fit_output(
    model: Transformer, examples: Examples, *, rows: int, seed: int, tokens_per_pass: int = PASS
) -> None:
    """Give a fresh output the values that suit the features as they are: ridge regression.

    It has the scale of the targets from the first step, whatever their unit; see
    ``mason.tasks.classification.probe``.

    Args:
        model: Its output matrix is written; nothing else is touched.
        examples: With targets.
        rows: How many examples to look at, chosen by ``seed``.
        seed: Of the choice.
        tokens_per_pass: Most tokens that are read at once.
    """
    assert examples.targets is not None, "a fit needs targets"
    output = output_of(model)
    features, order = output_features(model, examples.texts, rows, seed, tokens_per_pass)
    wanted = torch.tensor([examples.targets[i] for i in order], dtype=torch.float64)
    middle, mean = features.mean(0), wanted.mean()
    centred = features - middle
    gram = centred.T @ centred
    penalty = 0.1 * gram.diagonal().mean().clamp(min=1e-12)
    gram += penalty * torch.eye(len(gram), dtype=gram.dtype)
    slope = torch.linalg.solve(gram, centred.T @ (wanted - mean))
    with torch.no_grad():
        output.weight.copy_(slope[None])
        if output.bias is not None:
            output.bias.fill_(float(mean - middle @ slope))
