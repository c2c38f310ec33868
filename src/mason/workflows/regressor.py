"""A model that gives a text a number, as a user holds it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from mason.explanation.numbers import Number, Output
from mason.tasks.classification import HEAD
from mason.tasks.regression import Examples, predict_values
from mason.workflows.text_reader import TextReader


@dataclass
class Regressor(TextReader[float]):
    """A model that gives a text, or a pair of texts, a number, such as stars to a review."""

    task: ClassVar[str] = "regression"

    def number(self, index: int) -> Number:
        """The value itself."""
        return Output(HEAD, index, probable=False)

    def _told(self, text: str, pair: str | None) -> str:
        return f"{self.answers([text], None if pair is None else [pair])[0]:.4g}"

    def answers(self, texts: Sequence[str], pairs: Sequence[str] | None) -> list[float]:
        """The number of each."""
        read = Examples(self.encode(texts, pairs))
        found: list[float] = predict_values(self.network, read).tolist()
        return found
