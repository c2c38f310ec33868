"""Fill in the middle, for code: the middle moves to the end (Bavarian et al. 2022)."""

import numpy as np

from mason.tasks.pretraining.causal import CausalLanguage
from mason.tasks.pretraining.passages import Ids, Marks, Passage, Passages


class Infilling(CausalLanguage):
    """Causal language modelling of texts, a share of them with the middle last.

    Args:
        passages: What is read.
        marks: ``infill`` is needed: prefix, suffix and middle.
        rate: Share of the texts whose middle moves.
    """

    def __init__(self, passages: Passages, marks: Marks, *, rate: float = 0.5) -> None:
        super().__init__(_Moved(passages, marks, rate), marks)


class _Moved:
    """Passages whose middle was moved behind the suffix; each is three tokens longer."""

    def __init__(self, passages: Passages, marks: Marks, rate: float) -> None:
        assert marks.infill is not None, "infilling needs its three marks"
        self.passages, self.marks, self.rate = passages, marks, rate
        self.lengths = [n + 3 for n in passages.lengths]

    def draw(self, index: int, chance: np.random.Generator) -> Passage:
        passage = self.passages.draw(index, chance)
        text = passage.tokens[passage.is_text]
        if chance.random() >= self.rate or len(text) < 3:
            return passage
        first, second = np.sort(chance.choice(len(text) - 1, 2, replace=False)) + 1
        moved = move_middle(text, int(first), int(second), self.marks)
        tokens = self.marks.around(moved)
        return Passage(tokens, np.ones(len(tokens), dtype=np.bool_))


def move_middle(text: Ids, first: int, second: int, marks: Marks) -> Ids:
    """PREFIX text[:first] SUFFIX text[second:] MIDDLE text[first:second]."""
    assert marks.infill is not None, "infilling needs its three marks"
    prefix, suffix, middle = marks.infill
    parts = ([prefix], text[:first], [suffix], text[second:], [middle], text[first:second])
    return np.concatenate([np.asarray(part, np.int64) for part in parts])
