"""A model that turns texts into vectors, as a user holds it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, overload

import numpy as np
import numpy.typing as npt

from mason.models.files.pooling import PoolingFiles, write_pooling
from mason.tasks.classification import Examples as Texts
from mason.tasks.embedding import Reading, predict_vectors
from mason.workflows.model import Model

Vectors = npt.NDArray[np.float32]


@dataclass
class Embedder(Model):
    """A model that turns texts into vectors; those of like texts point the same way.

    Attributes:
        how: How a text's rows become its vector.
    """

    task: ClassVar[str] = "embedding"

    how: Reading = field(default_factory=Reading)

    def encode(self, texts: Sequence[str]) -> Texts:
        """Texts as the network reads them."""
        return Texts([e.ids for e in self.tokenizer.encode(texts, max_tokens=self.max_tokens)])

    @overload
    def predict(self, texts: str) -> Vectors: ...

    @overload
    def predict(self, texts: list[str]) -> Vectors: ...

    def predict(self, texts: str | list[str]) -> Vectors:
        """The vector of a text [width], or a row for each of a list [texts, width]."""
        if isinstance(texts, str):
            alone: Vectors = self.predict([texts])[0]
            return alone
        return predict_vectors(self.network, self.encode(texts), self.how)

    def write(self, folder: Path) -> None:
        """Write the model, and how its rows become vectors as sentence-transformers has it."""
        super().write(folder)
        told = PoolingFiles(self.how.pooling, self.how.normalise, self.max_tokens)
        write_pooling(folder, told, self.network.spec.width)
