"""Entries that most families share: rotary positions, layer types, labels, special tokens."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from mason.errors import CheckpointError
from mason.layers.positions import SCALINGS
from mason.models.families.keys import LIST, Config, Each, Key, Names
from mason.models.families.paths import read

_MOST_LABELS = 100_000
KINDS = Each(Names({"full_attention": "full", "sliding_attention": "local"}))


@dataclass(frozen=True)
class Rope:
    """Rotary positions, as ``rope_parameters`` or the older ``rope_theta``/``rope_scaling``."""

    path: str
    theta: float = 10000.0
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
        older = {} if self.kind == "sliding_attention" else config.get("rope_scaling") or {}
        given = {"rope_theta": config.get(self.old_theta), **older, **newer}
        theta = given.pop("rope_theta") or self.theta
        older_type = given.pop("type", None)
        scaling = given.pop("rope_type", None) or older_type or "default"
        known = Names({name: name for name in SCALINGS})
        values[f"{self.path}.scaling"] = known.read(scaling, "rope_type")
        values[f"{self.path}.theta"] = float(theta)
        if given.pop("partial_rotary_factor", 1.0) != 1.0:
            raise CheckpointError(
                "config.json: partial_rotary_factor is not 1, which Mason cannot compute yet."
            )
        values[f"{self.path}.options"] = given or None
        stack = self.path.partition(".")[0]
        values[f"{self.path}.max_positions"] = values[f"{stack}.embedding.num_positions"]

    def put(self, spec: Any, config: Config) -> None:
        """Write the newer spelling, and the older theta for readers that want it."""
        rotary = read(spec, self.path)
        told = {"rope_type": rotary.scaling, "rope_theta": rotary.theta, **(rotary.options or {})}
        config[self.old_theta] = rotary.theta
        if self.kind:
            config.setdefault("rope_parameters", {})[self.kind] = told
            return
        config["rope_parameters"] = told
        if rotary.scaling != "default":
            config["rope_scaling"] = {k: v for k, v in told.items() if k != "rope_theta"}


@dataclass(frozen=True)
class LayerTypes:
    """Which layers see only a window: the key's list, or the family's rule where it is absent."""

    rule: Callable[[Config, int], bool]
    """Whether a layer, counted from 0, has a window."""
    name: str | None = "layer_types"
    """None: the family's config has no list, so the rule is all it can say."""
    stack: str = "decoder"

    def take(self, config: Config, values: dict[str, Any]) -> None:
        """Read the list or follow the rule."""
        listed = config.get(self.name) if self.name else None
        if listed is not None:
            kinds = KINDS.read(listed, self.name or "")
        else:
            kinds = self._ruled(config, values[f"{self.stack}.depth"])
        values[f"{self.stack}.pattern"] = kinds

    def put(self, spec: Any, config: Config) -> None:
        """Write the list; refuse a pattern that the rule alone would give differently."""
        stack = read(spec, self.stack)
        pattern = stack.pattern or ("full",) * stack.depth
        if self.name:
            config[self.name] = KINDS.write(pattern)
        elif pattern != self._ruled(config, stack.depth):
            raise CheckpointError(
                "This model cannot be written in its family's format: it has no word for the "
                "attention pattern {pattern}; choose another family.",
                pattern=", ".join(pattern),
            )

    def _ruled(self, config: Config, depth: int) -> tuple[str, ...]:
        return tuple("local" if self.rule(config, i) else "full" for i in range(depth))

    @property
    def names(self) -> tuple[str, ...]:
        """The list, if there is one."""
        return (self.name,) if self.name else ()


@dataclass(frozen=True)
class HeadWidth:
    """How wide a head is, for families that cut the width into as many as there are.

    The key is Mason's own in their configs. A model has it of which heads were taken out; other
    tools would read another model.
    """

    names: tuple[str, ...] = ("head_dim",)

    def take(self, config: Config, values: dict[str, Any]) -> None:
        """Read the key, if it is there and says more than the width does."""
        width = config.get(self.names[0])
        if width is not None and (type(width) is not int or width < 1):
            raise CheckpointError(
                "config.json: {key} is {value!r}, which is no width of a head.",
                key=self.names[0],
                value=width,
            )
        heads = [v for path, v in values.items() if path.endswith(".attention.num_heads")]
        if width is not None and width * heads[0] != values["width"]:
            values.update(
                {
                    path.replace("num_heads", "head_width"): width
                    for path in values
                    if path.endswith(".attention.num_heads")
                }
            )

    def put(self, spec: Any, config: Config) -> None:
        """Write the key where the width is no one's to work out."""
        width = spec.input_stack.attention.head_width
        if width is not None:
            config[self.names[0]] = width


@dataclass(frozen=True)
class Labels:
    """Names of the classes: ``id2label`` and its inverse."""

    names: tuple[str, ...] = ("id2label", "label2id", "num_labels", "_num_labels")

    def take(self, config: Config, values: dict[str, Any]) -> None:
        """Read the names; their inverse and their count follow from them."""
        names = config.get("id2label") or {}
        count = config.get("num_labels") or config.get("_num_labels") or _implied_labels(config)
        if type(count) is not int or not 0 <= count <= _MOST_LABELS:
            raise CheckpointError(
                "config.json: num_labels is {value!r}, which is no number of classes.", value=count
            )
        ordered = tuple(names[k] for k in sorted(names, key=int))
        if not ordered and count:
            ordered = tuple(f"LABEL_{i}" for i in range(count))
        values["labels"] = ordered

    def put(self, spec: Any, config: Config) -> None:
        """Write both."""
        if spec.labels:
            config["id2label"] = {str(i): label for i, label in enumerate(spec.labels)}
            config["label2id"] = {label: i for i, label in enumerate(spec.labels)}


_LABELLED = ("SequenceClassification", "TokenClassification")


def _implied_labels(config: Config) -> int:
    # Hugging Face leaves the names out where there are two, its default.
    named = config.get("architectures") or ()
    return 2 if any(kind in name for name in named for kind in _LABELLED) else 0


def every(step: int, name: str | None = None) -> Callable[[Config, int], bool]:
    """A rule for ``LayerTypes``: each ``step``-th layer sees all, the others a window.

    Args:
        step: The number, or its default.
        name: The config key that holds it, if there is one.
    """
    return lambda config, i: (i + 1) % (config.get(name, step) if name else step) != 0


HARMLESS = frozenset(
    # Said by Hugging Face's tools, or read only when generating: no sum changes with them.
    """_name_or_path architectures attn_implementation bad_words_ids begin_suppress_tokens
    cache_implementation chunk_size_feed_forward diversity_penalty do_sample dtype early_stopping
    encoder_no_repeat_ngram_size exponential_decay_length_penalty finetuning_task
    force_bos_token_to_be_generated forced_bos_token_id forced_eos_token_id
    gradient_checkpointing length_penalty max_length min_length model_type
    no_repeat_ngram_size num_beam_groups num_beams
    num_return_sequences output_attentions output_hidden_states output_past
    output_scores prefix problem_type remove_invalid_values repetition_penalty return_dict
    return_dict_in_generate sep_token_id suppress_tokens task_specific_params temperature
    tokenizer_class top_k top_p torch_dtype transformers_version typical_p use_cache
    unsloth_version""".split()
)
OFF: Config = {
    # Said of every model by some writers; they change the computation only where they are set.
    "add_cross_attention": False,
    "cross_attention_hidden_size": None,
    "is_decoder": False,
    "is_encoder_decoder": False,
    "pruned_heads": {},
    "quantization_config": None,
    "tie_encoder_decoder": False,
    "torchscript": False,
    "use_bfloat16": False,
}
_TOKENS = {
    "pad_token_id": "special.pad",
    "bos_token_id": "special.bos",
    "eos_token_id": "special.eos",
    "decoder_start_token_id": "special.decoder_start",
}


def special_tokens(defaults: Mapping[str, int]) -> tuple[Key, ...]:
    """The keys of special tokens; where there is a default, null means that there is none."""
    return tuple(
        Key(name, path, defaults.get(name), LIST, nullable=name in defaults)
        for name, path in _TOKENS.items()
    )
