"""What ``results.json`` holds of attacks and defences."""

from pydantic import BaseModel, ConfigDict


class _Block(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Share(_Block):
    """A share of rows with Wilson's interval."""

    value: float
    low: float
    high: float


class AttackExample(_Block):
    """A text that an attack turned, and what the model said before and after."""

    text: str
    attacked: str
    label: str
    said: str


class AttackResult(_Block):
    """``mason.security.summary.Summary`` of an attack, its limits and some of its texts.

    ``max_share`` is of a text's words; ``min_similarity`` a cosine of sentence vectors, null
    where it was not asked for.
    """

    name: str
    paper: str
    rows: int
    clean: Share
    under_attack: Share
    success: Share
    queries: float
    changed: float | None
    similarity: float | None
    max_share: float
    min_similarity: float | None
    keep_stop_words: bool
    max_queries: int
    examples: list[AttackExample] = []


class ProbeExample(_Block):
    """A reply that does what an attacker asked; ``owner`` is what the model was told before."""

    technique: str
    owner: str
    asked: str
    reply: str


class Technique(_Block):
    """One way to say it."""

    name: str
    rows: int
    success: Share


class ProbeResult(_Block):
    """A kind of ``mason.security.probes``; ``success`` is the share that the model obeyed."""

    name: str
    paper: str
    rows: int
    success: Share
    techniques: list[Technique]
    examples: list[ProbeExample] = []


class Faced(_Block):
    """An attack on the model before and after a defence; both shares are of right answers.

    ``knows`` is whether the attacker is one who knows the defence.
    """

    attack: str
    knows: bool
    before: Share
    after: Share


class Defence(_Block):
    """A defence with what it costs and what it gains; ``clean`` are shares of right answers.

    ``certified`` holds, for each number of changed words, the share of rows that are
    answered rightly and whose vote of all copies no such change can turn, each at 95 %.
    """

    name: str
    clean_before: Share
    clean_after: Share
    faced: list[Faced] = []
    certified: dict[int, float] = {}
    note: str | None = None


class Memory(_Block):
    """What a language model gives away of the texts it learned from.

    ``membership`` is the chance that a learned text has the smaller loss than an unseen one;
    ``exposure`` the bits by which a planted secret is likelier than others, of ``bits`` that
    could be told; ``extracted`` whether it says the secret once what stands before it is given.
    """

    learned: int
    unseen: int
    membership: Share
    exposure: float | None = None
    bits: float | None = None
    extracted: bool | None = None


class Privacy(_Block):
    """The budget of a private run: see ``mason.training.privacy.Privacy``.

    ``epsilon`` was asked for and ``spent`` is what the steps taken give away, at ``delta``.
    """

    epsilon: float
    delta: float
    noise: float
    chance: float
    spent: float
    steps: int
    rows: int
    clip_norm: float
    accountant: str


class Security(_Block):
    """How the model breaks, and what holds; ``similar_by`` names who compared sentences."""

    seed: int
    cleaner: str | None = None
    similar_by: str | None = None
    attacks: list[AttackResult] = []
    probes: list[ProbeResult] = []
    defences: list[Defence] = []
    memory: Memory | None = None
    privacy: Privacy | None = None
