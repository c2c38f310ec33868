"""The block ``compression`` of ``results.json``."""

from pydantic import BaseModel, ConfigDict


class _Block(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Span(_Block):
    """A score in its unit, or a share less than the original's; the interval at ``confidence``."""

    value: float
    low: float
    high: float


class Shrunk(_Block):
    """A combination of steps of shrinking, measured; the score is of the rows that choose."""

    what: str
    layers: int
    neurons: int
    heads: int = 0
    """Key heads left in each layer; 0 where none can go."""
    tokens: float
    """Share of the vocabulary, from its commonest, that stays beside what training texts use."""
    bits: int
    sparse: bool = False
    """Whether two of four weights of the layers are zero."""
    aware: bool = False
    """Whether the weights learned in as few bits."""
    num_bytes: int
    peak_memory_bytes: int
    p50: float
    p99: float
    texts_per_second: float
    score: float
    difference: Span
    p_value: float
    accepted: bool
    why: str
    front: bool = False
    """Whether no other is both smaller and better."""
    chosen: bool = False


class Whole(_Block):
    """The model as it was."""

    num_bytes: int
    peak_memory_bytes: int
    p50: float
    p99: float
    texts_per_second: float
    score: Span


class ShrunkTest(_Block):
    """The chosen model beside the original on rows that chose nothing."""

    rows: int
    original: float
    score: float
    difference: Span
    p_value: float
    accepted: bool
    why: str


class Compression(_Block):
    """The search for a smaller model; times are milliseconds a text."""

    max_drop: float
    proven: bool
    confidence: float
    engine: str
    score: str = "accuracy"
    """Its name, as rows are compared by it."""
    unit: float = 1.0
    """What a whole share is in the unit of the scores."""
    rows: int
    """Those that choose."""
    original: Whole
    tried: list[Shrunk]
    left_out: list[Shrunk]
    """The chosen combination without one of its steps, for each step."""
    test: ShrunkTest
