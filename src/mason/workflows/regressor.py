"""A model that gives a text a number, as a user holds it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, overload

from mason.tasks.classification import Examples as Texts
from mason.tasks.regression import Examples, predict_values
from mason.workflows.model import Model


@dataclass
class Regressor(Model):
    """A model that gives a text a number, such as stars to a review."""

    task: ClassVar[str] = "regression"

    def encode(self, texts: Sequence[str], targets: Sequence[float] | None = None) -> Examples:
        """Texts as the network reads them."""
        found = self.tokenizer.encode(texts, max_tokens=self.max_tokens)
        return Examples(Texts([e.ids for e in found]), targets)

    @overload
    def predict(self, texts: str) -> float: ...

    @overload
    def predict(self, texts: list[str]) -> list[float]: ...

    def predict(self, texts: str | list[str]) -> float | list[float]:
        """The number of a text, or a list of them for a list of texts."""
        if isinstance(texts, str):
            return self.predict([texts])[0]
        if not texts:
            return []
        found: list[float] = predict_values(self.network, self.encode(texts)).tolist()
        return found
