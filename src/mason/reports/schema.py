"""What ``results.json`` version 1 may hold: the one source of every report.

Only ``version``, ``kind``, ``created`` and ``mason`` are required; a block that is
missing leaves its section out of the report. Every other name is an error, so a
misspelt key cannot vanish in silence. Blocks that this version does not know belong
under ``extras``, by the name of the capability that wrote them; they are kept, and
sections registered for them read them from there.

Units are in the names; shares and scores are 0 to 1; an unknown number is null.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from mason.reports.compression_block import Compression
from mason.reports.security_block import Security

VERSION = 1


class _Block(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Interval(_Block):
    """A score with the interval that holds it at ``evaluation.confidence``."""

    value: float
    low: float
    high: float


class Task(_Block):
    """What the model was asked to do, and the columns it learned it from."""

    name: str
    text: str | None = None
    label: str | None = None
    labels: list[str] = []
    loss: str | None = None
    """What was minimised, where there is a choice."""


class ModelPart(_Block):
    """One top-level part of the model and its parameter count."""

    name: str
    parameters: int


class Model(_Block):
    """Where the model came from and what it is made of."""

    source: str
    family: str
    topology: str
    parameters: int
    hub_id: str | None = None
    """Name on the hub, where the source is one: the card's ``base_model``."""
    license: str | None = None
    """SPDX or hub identifier, where known."""
    fresh: list[str] = []
    """Names of parts that start from random numbers."""
    dropped: list[str] = []
    """Names of tensors in the source that the task does not use."""
    parts: list[ModelPart] = []


class LabelCount(_Block):
    """Rows of one label in each split."""

    label: str
    train: int = 0
    valid: int = 0
    test: int = 0


class Lengths(_Block):
    """Text lengths in tokens; ``histogram`` rows are (low, high, count)."""

    median: float
    p90: float
    p99: float
    max: int
    limit: int | None = None
    share_cut: float = 0.0
    histogram: list[tuple[float, float, int]] = []


class Example(_Block):
    """A row that shows a finding."""

    row: int | None = None
    text: str


class Finding(_Block):
    """One thing the data doctor found: ``mason.data`` findings as ``to_dict`` gives them."""

    code: str
    severity: str
    """``error``, ``warning`` or ``note``; other words are shown as they are."""
    file: str | None = None
    row: int | None = None
    column: str | None = None
    count: int | None = None
    share: float | None = None
    reason: str
    fix: str | None = None
    examples: list[Example] = []


class Data(_Block):
    """The rows: how many, of which labels, how long, how healthy."""

    file: str | None = None
    rows: dict[str, int] = {}
    """Row counts by split: ``train``, ``valid``, ``test``."""
    labels: list[LabelCount] = []
    lengths: Lengths | None = None
    findings: list[Finding] | None = None
    """Empty where the doctor looked and found nothing; null where it did not look."""
    split: str | None = None
    """In words, how the rows were split."""
    languages: list[str] = []
    """ISO 639 codes of the texts, for the model card."""


class Step(_Block):
    """One optimiser step; ``tokens`` and ``seconds`` are of this step alone."""

    step: int
    epoch: float | None = None
    loss: float | None = None
    learning_rate: float | None = None
    gradient_norm: float | None = None
    tokens: int | None = None
    seconds: float | None = None
    refused: str | None = None
    """Why the step changed no weight."""
    update_norm: float | None = None
    """Norm of the weights' change over the weights' norm, where it was measured."""


class _Answers(_Block):
    """What a pretrained model gets right of held-out text."""

    token_accuracy: float | None = None
    """Share of hidden tokens that were guessed right."""
    question_accuracy: float | None = None
    """Share of pairs whose next-sentence or order question was answered right."""
    replaced_found: float | None = None
    """Share of a generator's tokens that were told from real ones."""
    real_kept: float | None = None
    """Share of the real tokens that were taken for real."""


class Evaluation(_Answers):
    """Losses and scores measured during training, after ``step``."""

    step: int
    epoch: float | None = None
    train_loss: float | None = None
    valid_loss: float | None = None
    train_accuracy: float | None = None
    valid_accuracy: float | None = None
    valid_macro_f1: float | None = None
    samples: list[dict[str, str]] | None = None
    """Held-out passages: what was ``given``, ``written`` by the model, and ``wanted``."""


class Overfitting(_Block):
    """``dataclasses.asdict`` of ``mason.metrics.Verdict``."""

    kind: Literal["fits", "underfits", "overfits", "too-early-to-tell"]
    sentence: str
    evidence: list[str] = []
    advice: str = ""


class Training(_Block):
    """How the run went."""

    steps: list[Step] = []
    evaluations: list[Evaluation] = []
    best_step: int | None = None
    last_step: int | None = None
    stopped: Literal["early", "finished", "interrupted"] | None = None
    overfitting: Overfitting | None = None


class ClassRow(_Block):
    """One label's scores: ``mason.metrics.ClassScores`` and its label; null where absent."""

    label: str
    precision: float | None
    recall: float | None
    f1: float | None
    support: int
    low: float | None = None
    high: float | None = None


class Confusion(_Block):
    """``counts[target][prediction]`` rows, in the order of ``labels``."""

    labels: list[str]
    counts: list[list[int]]


class CalibrationBin(_Block):
    """One point of the reliability diagram."""

    confidence: float
    accuracy: float
    count: int


class Calibration(_Block):
    """``mason.metrics.Calibration`` before, and the error after, the fitted temperature."""

    ece: float
    chance_ece: float | None = None
    overconfidence: float | None = None
    negative_log_likelihood: float | None = None
    brier: float | None = None
    temperature: float | None = None
    ece_after: float | None = None
    bins: list[CalibrationBin] = []
    bins_after: list[CalibrationBin] = []


class Mistake(_Block):
    """A row the model got wrong; ``probability`` is what it gave its wrong answer, if any."""

    row: int | None = None
    file: str | None = None
    text: str
    label: str
    predicted: str
    probability: float | None = None
    score: float | None = None
    """Of a text that was written."""


class Baseline(_Block):
    """What something simpler scores on the same rows; an accuracy, or the scores of the task."""

    name: str
    accuracy: Interval | None = None
    scores: dict[str, Interval] = {}


class Slice(_Block):
    """Right answers among rows of one kind: ``mason.metrics.Slice``, and its verdict."""

    by: str
    """``length``, ``label`` or ``source``."""
    name: str
    rows: int
    accuracy: float
    low: float
    high: float
    rest: float
    p_value: float
    adjusted: float
    worse: bool


class Scored(_Block):
    """Results on rows of ``split``; ``scores`` is ``mason.metrics.Scores.overall``."""

    split: str
    rows: int
    distances: dict[str, Interval] = {}
    """Mean distances from the right numbers, in their unit: ``mae`` and ``rmse``."""
    nats: dict[str, Interval] = {}
    """Mean natural logarithms: ``loss`` of an answer's token, ``loss_before`` tuning, ``gain``."""
    targets: int | None = None
    """Tokens of answers those are means of."""
    learned_targets: int | None = None
    """Tokens of answers that were learned."""
    replies: list[dict[str, str]] = []
    """Answers in conversations: ``given``, ``wanted``, ``written``, and ``before`` tuning."""
    confidence: float = 0.95
    scores: dict[str, Interval] = {}
    signatures: dict[str, str] = {}
    """All that a score depends on, as sacrebleu says it."""
    per_class: list[ClassRow] = []
    confusion: Confusion | None = None
    calibration: Calibration | None = None
    errors: list[Mistake] | None = None
    """The most confident mistakes; empty where there were none."""
    baselines: list[Baseline] = []
    slices: list[Slice] = []


class CorpusSource(_Block):
    """A source with a weight; ``share`` is of the training tokens of an epoch."""

    name: str
    weight: int
    num_documents: int
    share: float


class Corpus(_Block):
    """``mason.data.corpora.writer.Counts``, and the sources where they have weights."""

    num_read: int
    num_documents: int
    num_sentences: int
    num_tokens: int
    num_copies: int
    num_bytes: int
    num_near_copies: int = 0
    num_poor: int = 0
    num_excluded: int = 0
    sources: list[CorpusSource] = []


class Pretraining(_Answers):
    """A language model on held-out text; losses are nats a target."""

    objective: str
    paper: str
    shape: str | None = None
    """By name, of a model from random weights."""
    held_loss: float
    unigram_loss: float
    """Of the held-out tokens under the training tokens' frequencies: what knows no context."""
    bits_per_byte: float | None = None
    corpus: Corpus
    vocabulary: int
    tokens_seen: int


class Latency(_Block):
    """Milliseconds for one text at a time: the middle one and the slow one in a hundred."""

    p50: float
    p99: float


class Cost(_Block):
    """Time, memory and size; ``seconds`` is by stage, ``total`` included."""

    seconds: dict[str, float] = {}
    tokens_per_second: float | None = None
    product_share: float | None = None
    """Share of the matrix products that the device could have done in the time of the steps."""
    peak_memory_bytes: int | None = None
    forecast_memory_bytes: int | None = None
    """What the run was said to need, before it began."""
    model_bytes: int | None = None
    latency_ms: Latency | None = None


class Machine(_Block):
    """Where it ran."""

    processor: str | None = None
    cores: int | None = None
    memory_bytes: int | None = None
    device: str | None = None
    system: str | None = None


class Results(_Block):
    """All of ``results.json``."""

    version: Literal[1]
    kind: Literal["train", "evaluate", "pretrain", "compress", "explain", "attack", "harden"]
    created: str
    mason: str
    language: Literal["en", "zh"] = "en"
    name: str | None = None
    """Name of the model made, for the card; the folder's name where null."""
    task: Task | None = None
    model: Model | None = None
    data: Data | None = None
    training: Training | None = None
    evaluation: Scored | None = None
    pretraining: Pretraining | None = None
    compression: Compression | None = None
    security: Security | None = None
    cost: Cost | None = None
    recipe: dict[str, Any] | None = None
    command: str | None = None
    machine: Machine | None = None
    versions: dict[str, str] = Field(default_factory=dict)
    extras: dict[str, Any] = Field(default_factory=dict)
