"""Occlusion: what the number loses when a word is blanked."""

import numpy as np

from mason.explanation.methods.method import Method, Weighed
from mason.explanation.subjects import Removals, Subject


def occlusion(subject: Subject) -> Weighed:
    """The number with all words less the number without each (Zeiler & Fergus 2014)."""
    size = len(subject.words)
    kept = np.append(np.ones((1, size), dtype=bool), ~np.eye(size, dtype=bool), axis=0)
    told = Removals(subject)(kept)
    return Weighed(told[0] - told[1:])


OCCLUSION = Method("occlusion", "Zeiler & Fergus 2014", occlusion)
