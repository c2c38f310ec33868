"""The rows a model was trained on that are nearest to a text, in the model's own eyes."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.floating[Any]]


class Neighbour(NamedTuple):
    """A row: its number among those that were searched, and the cosine to the text."""

    row: int
    similarity: float


def nearest(vectors: Vectors, one: Vectors, most: int) -> list[Neighbour]:
    """The rows whose vectors point most nearly where one does, the nearest first.

    Args:
        vectors: Of the rows [rows, width].
        one: Of the text [width].
        most: How many.
    """
    sizes = np.linalg.norm(vectors, axis=1) * np.linalg.norm(one)
    cosines = (vectors @ one) / np.maximum(sizes, 1e-12)
    order = np.argsort(-cosines, kind="stable")[:most]
    return [Neighbour(int(row), float(cosines[row])) for row in order]
