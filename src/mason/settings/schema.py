"""The tree of settings: names, types and bounds. ``descriptions`` says what each means.

None means that the workflow decides, from the task, the data and the machine; the
report shows what it decided.
"""

from typing import Annotated, Any, Literal, TypeAlias, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
)

_ONE_LINE = r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff]+$"
"""No control characters: settings are names, and a file must give back what was written."""

Real: TypeAlias = Annotated[float, Field(allow_inf_nan=False)]
Text: TypeAlias = Annotated[str, StringConstraints(max_length=4096, pattern=_ONE_LINE)]
Texts: TypeAlias = Text | Annotated[tuple[Text, ...], Field(min_length=1)]
Share: TypeAlias = Annotated[Real, Field(ge=0, lt=0.5)]
Budget: TypeAlias = Annotated[
    str,
    StringConstraints(pattern=r"^\d+(\.\d+)?(e\d+)? ?(s|m|h|d|tokens|flops)$"),
]
Sink: TypeAlias = Literal["tensorboard", "mlflow"]
Weights: TypeAlias = Annotated[
    tuple[Annotated[int, Field(ge=1, le=1000)], ...], Field(min_length=1, max_length=1000)
]
Probability: TypeAlias = Annotated[Real, Field(ge=0, lt=1)]


class _Group(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth(cls, value: object, info: ValidationInfo) -> object:
        """Python counts True as 1; a person who writes ``epochs: true`` does not mean 1."""
        kind = cls.model_fields[info.field_name or ""].annotation
        if isinstance(value, bool) and bool not in (kind, *get_args(kind)):
            raise ValueError("a truth value is no number")
        return value


class ModelSettings(_Group):
    """Which model to start from."""

    source: Text | None = None
    revision: Text | None = None
    max_tokens: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    shape: Text | None = None
    tokenizer: Text | None = None
    vocab_size: Annotated[int, Field(ge=1, le=10_000_000)] | None = None
    chat_template: Literal["chatml"] | None = None


class DataSettings(_Group):
    """Which data, and how to read them."""

    train: Texts | None = None
    valid: Texts | None = None
    test: Texts | None = None
    text: Text | None = None
    pair: Text | None = None
    negative: Text | None = None
    label: Text | None = None
    separator: Annotated[str, StringConstraints(min_length=1, max_length=16)] | None = None
    target: Text | None = None
    group: Text | None = None
    format: Literal["auto", "csv", "tsv", "jsonl", "json", "parquet", "txt", "conll"] = "auto"
    encoding: Text = "auto"
    columns: Text | None = None
    valid_share: Share | None = None
    test_share: Share | None = None
    weights: Weights | None = None
    deduplicate: Literal["exact", "near"] | None = None
    quality: Literal["all", "web"] | None = None
    exclude: Texts | None = None

    @field_validator("weights", mode="before")
    @classmethod
    def _listed(cls, value: object) -> object:
        """The command line has no lists: ``3,1``."""
        return value.split(",") if isinstance(value, str) else value


class AdapterSettings(_Group):
    """What learns beside frozen weights."""

    kind: Literal["lora", "dora", "ia3", "bottleneck", "prompt", "prefix"] | None = None
    rank: Annotated[int, Field(ge=1, le=65_536)] | None = None
    alpha: Annotated[Real, Field(gt=0, le=1e6)] | None = None
    lora_dropout: Probability | None = None
    targets: Texts | None = None
    rank_stabilised: bool | None = None
    rate_ratio: Annotated[Real, Field(gt=0, le=1000)] | None = None
    virtual_tokens: Annotated[int, Field(ge=1, le=10_000)] | None = None
    base_bits: Literal[4, 8, 16, 32] | None = None

    @field_validator("targets", "base_bits", mode="before")
    @classmethod
    def _from_text(cls, value: object, info: ValidationInfo) -> object:
        """The command line has neither lists nor numbers: ``query,value`` and ``4``."""
        if not isinstance(value, str):
            return value
        if info.field_name == "base_bits":
            return int(value) if value.isdecimal() else value
        return value.split(",")


class TrainingSettings(_Group):
    """How to train."""

    seed: Annotated[int, Field(ge=0, le=(1 << 32) - 1)] = 1
    epochs: Annotated[Real, Field(gt=0, le=100_000)] | None = None
    max_steps: Annotated[int, Field(ge=1, le=10**12)] | None = None
    batch_size: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    tokens_per_batch: Annotated[int, Field(ge=1, le=10**9)] | None = None
    accumulation: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    optimizer: Literal["adamw", "muon", "adafactor", "adamw8bit", "schedule_free"] | None = None
    learning_rate: Annotated[Real, Field(gt=0, le=10)] | None = None
    head_learning_rate: Annotated[Real, Field(gt=0, le=10)] | None = None
    probe_rows: Annotated[int, Field(ge=0, le=1_000_000)] | None = None
    weight_decay: Annotated[Real, Field(ge=0, le=10)] | None = None
    warmup_share: Probability | None = None
    schedule: Literal["linear", "cosine", "wsd", "constant", "inverse_sqrt"] | None = None
    decay_share: Annotated[Real, Field(gt=0, le=1)] | None = None
    ema_decay: Probability | None = None
    clip_norm: Annotated[Real, Field(gt=0, le=1e6)] | None = None
    label_smoothing: Probability | None = None
    temperature: Annotated[Real, Field(gt=0, le=100)] | None = None
    dropout: Probability | None = None
    r_drop: Annotated[Real, Field(ge=0, le=100)] | None = None
    word_swaps: Probability | None = None
    mixout: Probability | None = None
    privacy_epsilon: Annotated[Real, Field(gt=0, le=100)] | None = None
    privacy_delta: Annotated[Real, Field(gt=0, le=0.1)] | None = None
    reinit_layers: Annotated[int, Field(ge=1, le=10_000)] | None = None
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    compile: bool = False
    recompute: bool | None = None
    freeze: Literal["embeddings", "body", "weights"] | None = None
    freeze_layers: Annotated[int, Field(ge=1, le=10_000)] | None = None
    layer_decay: Annotated[Real, Field(gt=0, le=1)] | None = None
    patience: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    evaluations_per_epoch: Annotated[int, Field(ge=1, le=10_000)] | None = None
    evaluate_steps: Annotated[int, Field(ge=1, le=10**9)] | None = None
    budget: Budget | None = None
    mask_rate: Probability | None = None
    recipe: Literal["modern", "published"] | None = None
    mask_unit: Literal["token", "word", "ngram"] | None = None
    loss_on: Literal["answers", "last", "everything"] | None = None
    preference_loss: Literal["dpo", "ipo", "hinge", "simpo", "orpo"] | None = None
    preference_beta: Annotated[Real, Field(gt=0, le=100)] | None = None
    preference_margin: Annotated[Real, Field(ge=0, le=100)] | None = None
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    threads: Annotated[int, Field(ge=1, le=4096)] | None = None


class OutputSettings(_Group):
    """What to leave behind, and where."""

    folder: Text | None = None
    report: bool = True
    checkpoints: Annotated[int, Field(ge=0, le=1000)] = 2
    checkpoint_minutes: Annotated[Real, Field(gt=0, le=100_000)] = 5.0
    checkpoint_steps: Annotated[int, Field(ge=1, le=10**9)] | None = None
    checkpoint_in_background: bool | None = None
    sinks: Sink | Annotated[tuple[Sink, ...], Field(min_length=1)] | None = None


class Settings(_Group):
    """Everything a run is told."""

    task: Text | None = None
    language: Literal["auto", "en", "zh"] = "auto"
    model: ModelSettings = ModelSettings()
    data: DataSettings = DataSettings()
    adapter: AdapterSettings = AdapterSettings()
    training: TrainingSettings = TrainingSettings()
    output: OutputSettings = OutputSettings()


GROUPS: dict[str, type[BaseModel]] = {
    "model": ModelSettings,
    "data": DataSettings,
    "adapter": AdapterSettings,
    "training": TrainingSettings,
    "output": OutputSettings,
}


def paths() -> list[str]:
    """Every setting as its dotted path, such as ``task`` and ``training.seed``."""
    alone = [name for name in Settings.model_fields if name not in GROUPS]
    return alone + [f"{name}.{leaf}" for name, of in GROUPS.items() for leaf in of.model_fields]


def nested(values: dict[str, Any]) -> dict[str, Any]:
    """Dotted paths to values, as the tree ``Settings`` is made from."""
    tree: dict[str, Any] = {}
    for path, value in values.items():
        group, _, leaf = path.rpartition(".")
        (tree.setdefault(group, {}) if group else tree)[leaf] = value
    return tree
