"""The ladder: which steps of shrinking there are, and how they are combined."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from mason.compression.formats import Format, RowsAndWeights, Weights
from mason.language import say

WIDE = 32
"""Bits of numbers that are not rounded."""
Shape = tuple[int, int, int]
"""Layers, neurons, heads."""
Learned = tuple[Shape, bool, int]
"""What has to be trained of a combination: its shape, whether sparse, bits learned in."""


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
        aware: Whether the weights learned in as few bits, and were not rounded afterwards alone.
        heads: How many key heads are left in each layer; 0 where none can go.
    """

    layers: int
    neurons: int
    tokens: float = 1.0
    bits: int = WIDE
    sparse: bool = False
    aware: bool = False
    heads: int = 0

    @property
    def shape(self) -> Shape:
        """How large it is."""
        return self.layers, self.neurons, self.heads

    @property
    def learned(self) -> Learned:
        """What has to be trained: the rest is free."""
        return self.shape, self.sparse, self.bits if self.aware else WIDE

    def words(self, whole: "Rungs") -> str:
        """What was done to ``whole``, in the order it was done."""
        said = []
        if self.layers < whole.layers:
            said.append(say("{kept} of {all} layers", kept=self.layers, all=whole.layers))
        if self.neurons < whole.neurons:
            said.append(say("{kept} of {all} neurons", kept=self.neurons, all=whole.neurons))
        if self.heads < whole.heads:
            said.append(say("{kept} of {all} heads", kept=self.heads, all=whole.heads))
        if self.sparse:
            said.append(say("2 of 4 weights"))
        if self.tokens == 0:
            said.append(say("vocabulary trimmed"))
        elif self.tokens < 1:
            said.append(say("vocabulary trimmed to {share:.0%}", share=self.tokens))
        if self.aware:
            said.append(say("learned in {bits} bits", bits=self.bits))
        elif self.bits < WIDE:
            said.append(say("{bits} bits", bits=self.bits))
        return " + ".join(said) or say("as it was")

    def left_out(self, whole: "Rungs") -> Iterator["Rungs"]:
        """The combination without one of its steps, for each step."""
        if self.layers < whole.layers:
            yield replace(self, layers=whole.layers)
        if self.neurons < whole.neurons:
            yield replace(self, neurons=whole.neurons)
        if self.heads < whole.heads:
            yield replace(self, heads=whole.heads)
        if self.sparse:
            yield replace(self, sparse=False)
        if self.tokens < 1:
            yield replace(self, tokens=1.0)
        if self.aware:
            yield replace(self, aware=False)
        if self.bits < WIDE:
            yield replace(self, bits=WIDE, aware=False)


@dataclass(frozen=True)
class Ladder:
    """Which steps make sense for a kind of model.

    Attributes:
        format: In which few bits it is held.
        free: Tokens and bits: the steps that need no learning.
        sparse: Whether files need less for weights of which two of four are zero.
    """

    format: Format
    free: Sequence[tuple[float, int]]
    sparse: bool


READING = Ladder(
    RowsAndWeights(), ((0.0, WIDE), (1.0, 8), (1.0, 4), (0.5, 4), (0.0, 4)), sparse=True
)
"""Of models that read texts and answer."""
WRITING = Ladder(Weights(), ((1.0, 8), (1.0, 4)), sparse=False)
"""Of models that write: any token may be asked of them, so that none is left out."""


_STEPS = 4
"""Into about how many steps layers, neurons and heads are cut."""
_MULTIPLE = 64
"""Neurons come in tiles of this many, as processors multiply them."""


def children(rungs: Rungs, whole: Rungs) -> list[Rungs]:
    """The next smaller shapes: a step fewer layers, fewer neurons, or fewer heads."""
    found = []
    fewer = rungs.layers - max(1, round(whole.layers / (_STEPS + 2)))
    if fewer >= 1:
        found.append(replace(rungs, layers=fewer))
    step = max(_MULTIPLE, whole.neurons // _STEPS // _MULTIPLE * _MULTIPLE)
    less = rungs.neurons - step
    if less >= _MULTIPLE:
        found.append(replace(rungs, neurons=less))
    left = rungs.heads - max(1, whole.heads // _STEPS)
    if left >= 1:
        found.append(replace(rungs, heads=left))
    return found
