"""A classifier of texts as a user holds it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, overload

import numpy as np

from mason.errors import DataError
from mason.tasks.classification import Examples, predict_logits
from mason.workflows.model import Model


@dataclass(frozen=True)
class Prediction:
    """The likeliest label, and how likely each is after calibration."""

    label: str
    probability: float
    probabilities: dict[str, float]

    def __str__(self) -> str:
        return f"{self.label} ({self.probability:.1%})"


@dataclass
class Classifier(Model):
    """A classifier of texts.

    Attributes:
        temperature: Logits are divided by this to make probabilities honest
            (Guo et al. 2017).
        pairs: Whether it was trained on pairs of texts; None: nobody says.
    """

    task: ClassVar[str] = "classification"

    temperature: float = 1.0
    pairs: bool | None = None

    def encode(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> Examples:
        """Texts, or pairs of texts, as the network reads them.

        Raises:
            DataError: The model was trained on pairs and gets single texts, or the other way
                round.
        """
        self._check_pairs(pairs is not None)
        encodings = self.tokenizer.encode(texts, pairs, max_tokens=self.max_tokens)
        typed = self.network.spec.input_stack.embedding.num_token_types > 1
        types = [e.type_ids for e in encodings] if typed and pairs is not None else None
        return Examples([e.ids for e in encodings], types)

    def _check_pairs(self, given: bool) -> None:
        if self.pairs and not given:
            raise DataError(
                "This model was trained on pairs of texts and is given one; name the second one "
                "with --pair."
            )
        if self.pairs is False and given:
            raise DataError(
                "This model was trained on single texts and is given pairs; name the one column "
                "it shall read with --text."
            )

    def num_tokens(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> list[int]:
        """Tokens of each text, or pair of texts, before it is cut."""
        if pairs is None:
            return [len(ids) for ids in self.tokenizer.encode_ids(texts)]
        return [len(e.ids) for e in self.tokenizer.encode(texts, pairs)]

    def logits(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> np.ndarray:
        """Raw outputs [texts, classes] in fp32."""
        return predict_logits(self.network, self.encode(texts, pairs))

    def probabilities(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> np.ndarray:
        """Calibrated probabilities [texts, classes]."""
        from scipy.special import softmax  # a run is on its way before it is needed

        likely: np.ndarray = softmax(self.logits(texts, pairs) / self.temperature, axis=1)
        return likely

    @overload
    def predict(self, texts: str, pairs: str | None = None) -> Prediction: ...

    @overload
    def predict(self, texts: list[str], pairs: list[str] | None = None) -> list[Prediction]: ...

    def predict(
        self, texts: str | list[str], pairs: str | list[str] | None = None
    ) -> Prediction | list[Prediction]:
        """The label of a text, or a list of them for a list of texts."""
        if isinstance(texts, str):
            second = [pairs] if isinstance(pairs, str) else None
            return self.predict([texts], second)[0]
        if not texts:
            return []
        several = None if pairs is None else list(pairs)
        return [self._read(row) for row in self.probabilities(texts, several)]

    def _read(self, row: np.ndarray) -> Prediction:
        best = int(row.argmax())
        each = {label: float(p) for label, p in zip(self.labels, row, strict=True)}
        return Prediction(self.labels[best], float(row[best]), each)

    def facts(self) -> dict[str, Any]:
        """Whether it reads pairs, and its temperature."""
        return {"pairs": self.pairs, "calibration": {"temperature": self.temperature}}
