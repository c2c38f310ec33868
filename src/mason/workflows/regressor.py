"""A model that gives a text a number, as a user holds it."""

from dataclasses import dataclass
from typing import ClassVar, overload

from mason.tasks.regression import Examples, predict_values
from mason.workflows.text_reader import TextReader


@dataclass
class Regressor(TextReader):
    """A model that gives a text, or a pair of texts, a number, such as stars to a review."""

    task: ClassVar[str] = "regression"

    @overload
    def predict(self, texts: str, pairs: str | None = None) -> float: ...

    @overload
    def predict(self, texts: list[str], pairs: list[str] | None = None) -> list[float]: ...

    def predict(
        self, texts: str | list[str], pairs: str | list[str] | None = None
    ) -> float | list[float]:
        """The number of a text, or a list of them for a list of texts."""
        if isinstance(texts, str):
            second = [pairs] if isinstance(pairs, str) else None
            return self.predict([texts], second)[0]
        if not texts:
            return []
        several = None if pairs is None else list(pairs)
        read = Examples(self.encode(texts, several))
        found: list[float] = predict_values(self.network, read).tolist()
        return found
