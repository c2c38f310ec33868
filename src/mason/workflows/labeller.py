"""A model that gives a text any number of labels, as a user holds it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from mason.explanation.numbers import Number, Output
from mason.tasks.classification import HEAD, predict_logits
from mason.workflows.text_reader import TextReader


@dataclass(frozen=True)
class Labelled:
    """The labels of a text, and how likely each label there is."""

    labels: tuple[str, ...]
    probabilities: dict[str, float]

    def __str__(self) -> str:
        return ", ".join(f"{label} ({self.probabilities[label]:.1%})" for label in self.labels)


@dataclass
class Labeller(TextReader[Labelled]):
    """A model that gives a text any number of labels.

    Attributes:
        threshold: From which probability on a label is given; fitted on the validation rows.
    """

    task: ClassVar[str] = "multilabel"
    problem: ClassVar[str | None] = "multi_label_classification"

    threshold: float = 0.5

    def probabilities(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> np.ndarray:
        """Of each label [texts, labels]; they do not sum to 1."""
        from scipy.special import expit

        likely: np.ndarray = expit(predict_logits(self.network, self.encode(texts, pairs)))
        return likely

    def answers(self, texts: Sequence[str], pairs: Sequence[str] | None) -> list[Labelled]:
        """The labels of each, the likeliest first."""
        return [self._read(row) for row in self.probabilities(texts, pairs)]

    def number(self, index: int) -> Number:
        """Log-odds of a label."""
        return Output(HEAD, index, probable=True)

    def _told(self, text: str, pair: str | None) -> str:
        return next(iter(self.answers([text], None if pair is None else [pair])[0].probabilities))

    def _read(self, row: np.ndarray) -> Labelled:
        each = {self.labels[i]: float(row[i]) for i in np.argsort(-row, kind="stable")}
        return Labelled(tuple(n for n, p in each.items() if p >= self.threshold), each)

    def facts(self) -> dict[str, Any]:
        """Whether it reads pairs, and its threshold."""
        return {**super().facts(), "threshold": self.threshold}
