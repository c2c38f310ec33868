"""Config keys of Hugging Face as data: each entry reads and writes, typed once.

An entry reads the keys it names from a config and says which paths of the ``ModelSpec``
they set; the same entry puts them back. A key that no entry names is refused.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from mason.errors import CheckpointError
from mason.models.families.paths import read

Config = dict[str, Any]
Paths = str | tuple[str, ...]
Default = Any | Callable[[Config], Any]


class Entry(Protocol):
    """A piece of a family's config table."""

    @property
    def names(self) -> tuple[str, ...]:
        """The keys this entry understands."""

    def take(self, config: Config, values: dict[str, Any]) -> None:
        """Read the keys and set the paths they stand for."""

    def put(self, spec: Any, config: Config) -> None:
        """Write the keys from the spec."""


@dataclass(frozen=True)
class Names:
    """Values that are spelled differently; the first spelling is written."""

    pairs: Mapping[Any, Any]

    def read(self, value: Any, key: str) -> Any:
        """Mason's value."""
        if value not in self.pairs:
            raise CheckpointError(
                "config.json: {key} is {value!r}, which Mason cannot compute; it knows {known}.",
                key=key,
                value=value,
                known=", ".join(map(str, self.pairs)),
            )
        return self.pairs[value]

    def write(self, value: Any) -> Any:
        """Hugging Face's value."""
        return next(theirs for theirs, ours in self.pairs.items() if ours == value)


@dataclass(frozen=True)
class Code:
    """Values that are computed from one another."""

    decode: Callable[[Any], Any]
    encode: Callable[[Any], Any]

    def read(self, value: Any, key: str) -> Any:
        """Mason's value."""
        return self.decode(value)

    def write(self, value: Any) -> Any:
        """Hugging Face's value."""
        return self.encode(value)


ACTIVATION = Names(
    {
        "gelu": "gelu",
        "gelu_new": "gelu_tanh",
        "gelu_pytorch_tanh": "gelu_tanh",
        "gelu_fast": "gelu_tanh",
        "gelu_python": "gelu",
        "quick_gelu": "quick_gelu",
        "relu": "relu",
        "relu2": "relu_squared",
        "silu": "silu",
        "swish": "silu",
        "tanh": "tanh",
        "sigmoid": "sigmoid",
    }
)
SAME = Code(lambda x: x, lambda x: x)
LIST = Code(
    lambda x: tuple(x) if isinstance(x, list) else x,
    lambda x: list(x) if isinstance(x, tuple) else x,
)
KINDS = {"full_attention": "full", "sliding_attention": "local"}
PATTERN = Code(
    lambda kinds: tuple(Names(KINDS).read(k, "layer_types") for k in kinds),
    lambda pattern: [Names(KINDS).write(k) for k in pattern],
)


@dataclass(frozen=True)
class Key:
    """One key that sets one value at one path or, alike, at several."""

    name: str
    paths: Paths
    default: Default = None
    code: Names | Code = SAME

    def take(self, config: Config, values: dict[str, Any]) -> None:
        """Read the key; an absent or null one is the default."""
        value = config.get(self.name)
        if value is None:
            value = self.default(config) if callable(self.default) else self.default
        known = self.code.read(value, self.name) if value is not None else None
        for path in _many(self.paths):
            values[path] = known

    def put(self, spec: Any, config: Config) -> None:
        """Write the key; None is left out."""
        found = {path: read(spec, path) for path in _many(self.paths)}
        value = next(iter(found.values()))
        if any(other != value for other in found.values()):
            raise CheckpointError(
                "This model cannot be written in its family's format: {key} holds one value "
                "but the model has {values}; give both the same.",
                key=self.name,
                values=found,
            )
        if value is not None:
            config[self.name] = self.code.write(value)

    @property
    def names(self) -> tuple[str, ...]:
        """The key."""
        return (self.name,)


@dataclass(frozen=True)
class Spread:
    """One key whose value stands for several of ours."""

    name: str
    paths: tuple[str, ...]
    default: Any
    table: Mapping[Any, tuple[Any, ...]]

    def take(self, config: Config, values: dict[str, Any]) -> None:
        """Read the key and set every path."""
        value = config.get(self.name, self.default)
        values.update(zip(self.paths, Names(self.table).read(value, self.name), strict=True))

    def put(self, spec: Any, config: Config) -> None:
        """Write the spelling that stands for all values."""
        found = tuple(read(spec, path) for path in self.paths)
        config[self.name] = Names(self.table).write(found)

    @property
    def names(self) -> tuple[str, ...]:
        """The key."""
        return (self.name,)


@dataclass(frozen=True)
class Fixed:
    """A key whose only computable values are these; the first is written."""

    name: str
    values: tuple[Any, ...]

    def take(self, config: Config, values: dict[str, Any]) -> None:
        """Refuse any other value."""
        value = config.get(self.name, self.values[0])
        Names({allowed: allowed for allowed in self.values}).read(value, self.name)

    def put(self, spec: Any, config: Config) -> None:
        """Write the value."""
        if self.values[0] is not None:
            config[self.name] = self.values[0]

    @property
    def names(self) -> tuple[str, ...]:
        """The key."""
        return (self.name,)


@dataclass(frozen=True)
class Rope:
    """Rotary positions, as ``rope_parameters`` or the older ``rope_theta``/``rope_scaling``."""

    path: str
    theta: float = 10000.0
    length: str = "max_position_embeddings"
    kind: str | None = None
    """The layer type, where ``rope_parameters`` has one entry for each."""
    old_theta: str = "rope_theta"

    @property
    def names(self) -> tuple[str, ...]:
        """Both spellings."""
        return ("rope_parameters", "rope_scaling", self.old_theta)

    def take(self, config: Config, values: dict[str, Any]) -> None:
        """Read either spelling."""
        newer = config.get("rope_parameters") or {}
        newer = newer.get(self.kind) or {} if self.kind else newer
        given = {"rope_theta": config.get(self.old_theta), **(config.get("rope_scaling") or {}), **newer}
        theta = given.pop("rope_theta") or self.theta
        scaling = given.pop("type", None)
        values[f"{self.path}.scaling"] = given.pop("rope_type", None) or scaling or "default"
        values[f"{self.path}.theta"] = float(theta)
        if given.pop("partial_rotary_factor", 1.0) != 1.0:
            raise CheckpointError(
                "config.json: partial_rotary_factor is not 1, which Mason cannot compute yet."
            )
        values[f"{self.path}.options"] = given or None
        values[f"{self.path}.max_positions"] = config.get(self.length)

    def put(self, spec: Any, config: Config) -> None:
        """Write the newer spelling, and the older theta for readers that want it."""
        rotary = read(spec, self.path)
        told = {"rope_type": rotary.scaling, "rope_theta": rotary.theta, **(rotary.options or {})}
        if self.kind:
            config.setdefault("rope_parameters", {})[self.kind] = told
            return
        config["rope_parameters"] = told
        config[self.old_theta] = rotary.theta
        if rotary.scaling != "default":
            config["rope_scaling"] = {k: v for k, v in told.items() if k != "rope_theta"}


@dataclass(frozen=True)
class Labels:
    """Names of the classes: ``id2label`` and its inverse."""

    names: tuple[str, ...] = ("id2label", "label2id", "num_labels")

    def take(self, config: Config, values: dict[str, Any]) -> None:
        """Read the names; their inverse and their count follow from them."""
        names = config.get("id2label") or {}
        count = config.get("num_labels")
        ordered = tuple(names[k] for k in sorted(names, key=int))
        if not ordered and count:
            ordered = tuple(f"LABEL_{i}" for i in range(count))
        values["labels"] = ordered

    def put(self, spec: Any, config: Config) -> None:
        """Write both."""
        if spec.labels:
            config["id2label"] = {str(i): label for i, label in enumerate(spec.labels)}
            config["label2id"] = {label: i for i, label in enumerate(spec.labels)}


def times(name: str, factor: int) -> Callable[[Config], Any]:
    """A default that is a multiple of another key of the same config."""
    return lambda config: factor * config[name]


def like(name: str, default: Any) -> Callable[[Config], Any]:
    """A default that is another key's value, or its default."""
    return lambda config: config.get(name, default)


def _many(paths: Paths) -> tuple[str, ...]:
    return (paths,) if isinstance(paths, str) else paths


HARMLESS = frozenset(
    # Said by Hugging Face's tools, or read only when generating: no sum changes with them.
    """_name_or_path architectures attn_implementation bad_words_ids begin_suppress_tokens
    chunk_size_feed_forward diversity_penalty do_sample dtype early_stopping
    encoder_no_repeat_ngram_size exponential_decay_length_penalty finetuning_task
    force_bos_token_to_be_generated forced_bos_token_id forced_eos_token_id
    gradient_checkpointing length_penalty max_length min_length model_type
    no_repeat_ngram_size normalize_before normalize_embedding num_beam_groups num_beams
    num_return_sequences output_attentions output_hidden_states output_past
    output_scores prefix problem_type remove_invalid_values repetition_penalty return_dict
    return_dict_in_generate sep_token_id suppress_tokens task_specific_params temperature
    tokenizer_class top_k top_p torch_dtype transformers_version typical_p use_cache
    unsloth_version""".split()
)
SPECIAL = (
    Key("pad_token_id", "special.pad"),
    Key("bos_token_id", "special.bos"),
    Key("eos_token_id", "special.eos", code=LIST),
    Key("decoder_start_token_id", "special.decoder_start"),
)
