"""A classifier of texts as a user holds it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np

from mason.explanation.numbers import ClassOdds, Number
from mason.security.masking import Vote
from mason.tasks.classification import HEAD, predict_logits
from mason.workflows.text_reader import TextReader


@dataclass(frozen=True)
class Prediction:
    """The likeliest label, and how likely each is after calibration."""

    label: str
    probability: float
    probabilities: dict[str, float]

    def __str__(self) -> str:
        return f"{self.label} ({self.probability:.1%})"


@dataclass
class Classifier(TextReader[Prediction]):
    """A classifier of texts.

    Attributes:
        temperature: Logits are divided by this to make probabilities honest
            (Guo et al. 2017).
        vote: How copies with words left out decide, where the model was hardened so; None: it
            reads each text once.
    """

    task: ClassVar[str] = "classification"

    temperature: float = 1.0
    vote: Vote | None = None

    def logits(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> np.ndarray:
        """Raw outputs [texts, classes] in fp32."""
        return predict_logits(self.network, self.encode(texts, pairs))

    def probabilities(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> np.ndarray:
        """Calibrated probabilities [texts, classes]; shares of the votes where copies vote."""
        if self.vote is not None and pairs is None:
            return self.vote.shares(self.read_once, texts)
        return self.read_once(texts, pairs)

    def read_once(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> np.ndarray:
        """Calibrated probabilities [texts, classes] of the texts as they are, without a vote."""
        from scipy.special import softmax  # a run is on its way before it is needed

        likely: np.ndarray = softmax(self.logits(texts, pairs) / self.temperature, axis=1)
        return likely

    def answers(self, texts: Sequence[str], pairs: Sequence[str] | None) -> list[Prediction]:
        """The label of each."""
        return [self._read(row) for row in self.probabilities(texts, pairs)]

    def number(self, index: int) -> Number:
        """Calibrated log-odds of a label."""
        return ClassOdds(HEAD, index, self.temperature)

    def _told(self, text: str, pair: str | None) -> str:
        return self.answers([text], None if pair is None else [pair])[0].label

    def _read(self, row: np.ndarray) -> Prediction:
        best = int(row.argmax())
        each = {label: float(p) for label, p in zip(self.labels, row, strict=True)}
        return Prediction(self.labels[best], float(row[best]), each)

    def facts(self) -> dict[str, Any]:
        """Whether it reads pairs, its temperature, and its vote where there is one."""
        vote = {} if self.vote is None else {"vote": asdict(self.vote)}
        return {**super().facts(), "calibration": {"temperature": self.temperature}, **vote}
