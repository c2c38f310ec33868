"""The ladder: which steps of shrinking there are, and how they are combined."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from mason.language import say

WIDE = 32
"""Bits of numbers that are not rounded."""
FREE = ((0.0, WIDE), (1.0, 8), (1.0, 4), (0.5, 4), (0.0, 4))
"""Tokens and bits: the steps that need no learning."""


@dataclass(frozen=True, order=True)
class Rungs:
    """One combination of steps.

    Attributes:
        layers: How many are left.
        neurons: How many are left in each feed-forward block.
        tokens: The share of the vocabulary, from its commonest, that stays beside what the training
            texts use.
        bits: Of each number.
        sparse: Whether two of four weights of the layers are zero.
    """

    layers: int
    neurons: int
    tokens: float = 1.0
    bits: int = WIDE
    sparse: bool = False

    @property
    def shape(self) -> tuple[int, int]:
        """How large it is."""
        return self.layers, self.neurons

    @property
    def learned(self) -> tuple[int, int, bool]:
        """What has to be trained: the rest is free."""
        return self.layers, self.neurons, self.sparse

    def words(self, whole: "Rungs") -> str:
        """What was done to ``whole``, in the order it was done."""
        said = []
        if self.layers < whole.layers:
            said.append(say("{kept} of {all} layers", kept=self.layers, all=whole.layers))
        if self.neurons < whole.neurons:
            said.append(say("{kept} of {all} neurons", kept=self.neurons, all=whole.neurons))
        if self.sparse:
            said.append(say("2 of 4 weights"))
        if self.tokens == 0:
            said.append(say("vocabulary trimmed"))
        elif self.tokens < 1:
            said.append(say("vocabulary trimmed to {share:.0%}", share=self.tokens))
        if self.bits < WIDE:
            said.append(say("{bits} bits", bits=self.bits))
        return " + ".join(said) or say("as it was")

    def left_out(self, whole: "Rungs") -> Iterator["Rungs"]:
        """The combination without one of its steps, for each step."""
        if self.layers < whole.layers:
            yield replace(self, layers=whole.layers)
        if self.neurons < whole.neurons:
            yield replace(self, neurons=whole.neurons)
        if self.sparse:
            yield replace(self, sparse=False)
        if self.tokens < 1:
            yield replace(self, tokens=1.0)
        if self.bits < WIDE:
            yield replace(self, bits=WIDE)


_STEPS = 4
"""Into how many steps layers and neurons are cut."""
_MULTIPLE = 64
"""Neurons come in tiles of this many, as processors multiply them."""


def children(rungs: Rungs, whole: Rungs) -> list[Rungs]:
    """The next smaller shapes: a step fewer layers, and a step fewer neurons."""
    found = []
    fewer = rungs.layers - max(1, round(whole.layers / (_STEPS + 2)))
    if fewer >= 1:
        found.append(replace(rungs, layers=fewer))
    step = max(_MULTIPLE, whole.neurons // _STEPS // _MULTIPLE * _MULTIPLE)
    less = rungs.neurons - step
    if less >= _MULTIPLE:
        found.append(replace(rungs, neurons=less))
    return found
