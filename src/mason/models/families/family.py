"""A family: one table of config keys, weight names and heads; no code of its own."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import Any

from mason.errors import CheckpointError, MasonError
from mason.models.families.entries import HARMLESS, OFF, HeadWidth, Labels, special_tokens
from mason.models.families.keys import Config, Entry, Key
from mason.models.families.paths import annotation, build, fits
from mason.models.families.weights import Table, Verb, match, resolve
from mason.models.spec import ModelSpec


@dataclass(frozen=True)
class HeadTable:
    """A head of a family: what it computes, and where its weights lie."""

    spec: Mapping[str, Any]
    """Fields of ``HeadSpec``."""
    weights: Table
    """The head's modules, such as ``output``, and where they lie."""
    keys: tuple[Key, ...] = ()
    """Config keys this head reads, and the fields of ``HeadSpec`` they set."""
    prefix: str | None = None
    """Base prefix in this class, where it is not the family's."""
    encoder_alone: bool = False
    """Whether this class of an encoder–decoder has no decoder."""


@dataclass(frozen=True)
class Family:
    """A table that turns a Hugging Face config and its weights to ours and back."""

    name: str
    """Hugging Face's ``model_type``."""
    architectures: Mapping[str, tuple[str, ...]]
    """Hugging Face's classes and the heads each has; the first has none."""
    keys: tuple[Entry, ...]
    constants: Mapping[str, Any]
    """Paths of the spec that are the same for the whole family."""
    weights: Table
    heads: Mapping[str, HeadTable]
    prefix: str = ""
    special: Mapping[str, int] = field(default_factory=dict)
    """Ids of special tokens where the config does not say."""
    ignored_keys: frozenset[str] = frozenset()
    """Config keys without effect on what Mason computes."""
    dropped: tuple[str, ...] = ()
    """Patterns of tensors that can be derived: buffers and copies."""
    copies: Mapping[str, str] = field(default_factory=dict)
    """Tensors that repeat one of ours when they are tied."""
    unshared: Table = field(default_factory=dict)
    """Where token vectors lie when the encoder and the decoder each have their own."""
    aliases: Mapping[str, str] = field(default_factory=dict)
    """Other spellings of a key that some tools write."""

    def but(self, **changes: Any) -> "Family":
        """This table with some fields replaced.

        Mappings are merged, and None removes an item; only the classes are named anew.
        """
        for name, value in changes.items():
            if isinstance(value, Mapping) and name != "architectures":
                merged = {**getattr(self, name), **value}
                changes[name] = {k: v for k, v in merged.items() if v is not None}
        return replace(self, **changes)

    def read_config(self, config: Config, heads: Iterable[str]) -> ModelSpec:
        """The spec a config describes, with the named heads.

        Raises:
            CheckpointError: A key is not mapped, or has a value Mason cannot compute.
        """
        values: dict[str, Any] = dict(self.constants)
        chosen, config = list(heads), self._spelled(config)
        for name in chosen:
            if name not in self.heads:
                raise CheckpointError(
                    "The family {family} has no head for {head}; it has {known}. Choose a model of "
                    "another family.",
                    family=self.name,
                    head=name,
                    known=", ".join(self.heads),
                )
        for name in chosen:
            values |= {f"heads.{name}.{k}": v for k, v in self.heads[name].spec.items()}
        for entry in self._entries(chosen):
            _take(entry, config, values)
        if any(self.heads[name].encoder_alone for name in chosen):
            values = {k: v for k, v in values.items() if not k.startswith("decoder.")}
        known = {name for entry in self._entries(self.heads) for name in entry.names}
        for key in config:
            if key in OFF and config[key] == OFF[key]:
                continue
            if key not in known | HARMLESS | self.ignored_keys:
                self._refuse(key, config[key], known)
        spec: ModelSpec = build(ModelSpec, values)
        return spec

    def write_config(self, spec: ModelSpec) -> Config:
        """The config that describes a spec; the inverse of ``read_config``."""
        config: Config = {"architectures": [self.architecture(spec)], "model_type": self.name}
        for entry in self._entries(spec.heads):
            entry.put(spec, config)
        return config

    def architecture(self, spec: ModelSpec) -> str:
        """Hugging Face's class with the spec's heads.

        Raises:
            CheckpointError: There is none.
        """
        for name, heads in self.architectures.items():
            if set(heads) == set(spec.heads):
                return name
        raise CheckpointError(
            "No Hugging Face class of the family {family} has the heads {heads}; "
            "save the model with one of them at a time.",
            family=self.name,
            heads=", ".join(spec.heads),
        )

    def heads_of(self, config: Config) -> tuple[str, ...]:
        """The heads of a config's architecture; none where Mason does not know it."""
        named = config.get("architectures")
        first = named[0] if isinstance(named, list) and named else None
        return self.architectures.get(first, ()) if isinstance(first, str) else ()

    def prefix_for(self, spec: ModelSpec) -> str:
        """What stands before the base's tensor names in a checkpoint with these heads."""
        if not spec.heads:
            return ""
        own = self.heads[next(iter(spec.heads))].prefix
        return self.prefix if own is None else own

    def verb(
        self, name: str, prefix: str, num_parts: int = 1, *, shared: bool = True
    ) -> Verb | None:
        """How one of our tensors lies in a checkpoint; None if the table has no word.

        Args:
            name: The tensor's name in the ``Transformer``.
            prefix: The base prefix of the checkpoint.
            num_parts: Of how many parts the tensor's module is fused.
            shared: Whether an encoder and a decoder share their token vectors.
        """
        module, _, leaf = name.rpartition(".")
        table = {**({} if shared else self.unshared), **self.weights}
        for head, own in self.heads.items():
            table |= {f"heads.{head}.{part}": verb for part, verb in own.weights.items()}
        for pattern, verb in table.items():
            if (wild := match(pattern, name)) is not None:
                return resolve(verb, wild, "", prefix, num_parts)
            if (wild := match(pattern, module)) is not None:
                return resolve(verb, wild, leaf, prefix, num_parts)
        return None

    def known_elsewhere(self, name: str, prefix: str) -> bool:
        """Whether a checkpoint's tensor belongs to some head of this family."""
        module = name.rpartition(".")[0]
        return any(
            source in (name, module)
            for head in self.heads.values()
            for verb in head.weights.values()
            for source in resolve(verb, {}, "", prefix, 1).names
        )

    def head_modules(self) -> list[str]:
        """Modules of every head this family has, as a checkpoint without a prefix names them."""
        return [
            name.removeprefix(".")
            for head in self.heads.values()
            for verb in head.weights.values()
            for name in resolve(verb, {}, "", "", 1).names
        ]

    def of_decoder(self, name: str, prefix: str) -> bool:
        """Whether a checkpoint's tensor belongs to this family's decoder."""
        module = name.rpartition(".")[0]
        wild = {"stack": "decoder"}
        return any(
            match(source, module) is not None
            for pattern, verb in self.weights.items()
            if pattern.startswith(("{stack}", "decoder"))
            for num_parts in (1, 2)
            for source in resolve(verb, wild, "", prefix, num_parts).names
        )

    def _entries(self, heads: Iterable[str]) -> tuple[Entry, ...]:
        extra = (key.under(f"heads.{name}.") for name in heads for key in self.heads[name].keys)
        own = () if self.tells_head_width else (HeadWidth(),)
        return (*special_tokens(self.special), *self.keys, *own, *extra, Labels())

    @property
    def tells_head_width(self) -> bool:
        """Whether Hugging Face's configs tell how wide a head is."""
        return any(isinstance(key, Key) and key.sets(".head_width") for key in self.keys)

    def _spelled(self, config: Config) -> Config:
        """The config with each key under its main spelling."""
        plain = dict(config)
        for alias, key in self.aliases.items():
            if alias not in plain:
                continue
            value = plain.pop(alias)
            if plain.setdefault(key, value) != value:
                raise CheckpointError(
                    "config.json: {alias} is {value!r} but {key} is {other!r}; they mean the "
                    "same, so set both to the right value.",
                    alias=alias,
                    value=value,
                    key=key,
                    other=plain[key],
                )
        return plain

    def _refuse(self, key: str, value: Any, known: set[str]) -> None:
        near = get_close_matches(key, known, n=1)
        raise CheckpointError(
            "config.json: {key} = {value!r} is not known for the family {family} and may change "
            "the computation{near}; remove it if it has no effect.",
            key=key,
            value=value,
            family=self.name,
            near=f" ({near[0]}?)" if near else "",
        )


_POSITIVE = frozenset(
    """width depth num_heads num_kv_heads head_width vocab_size num_buckets max_distance window
    dense_width max_positions""".split()
)
"""Ends of the paths where zero is no size."""
_MOST_LAYERS = 1024


def _take(entry: Entry, config: Config, values: dict[str, Any]) -> None:
    """Let an entry read its keys, and hold what it read against what the fields can be.

    Raises:
        CheckpointError: A value is of another kind, or no size that a model could have.
    """
    before = dict(values)
    try:
        entry.take(config, values)
    except MasonError:
        raise
    except Exception as error:  # of a kind that nobody would write
        raise _unfit(entry, config) from error
    for path, value in values.items():
        if path in before and before[path] is value:
            continue
        if not fits(annotation(ModelSpec, path), value) or not _is_size(path, value):
            raise _unfit(entry, config)


def _is_size(path: str, value: Any) -> bool:
    leaf = path.rpartition(".")[2]
    if not isinstance(value, int) or path.startswith("special."):  # where some write -1 for none
        return True
    if leaf in _POSITIVE and value < 1:
        return False
    return 0 <= value <= _MOST_LAYERS if leaf == "depth" else value >= 0


def _unfit(entry: Entry, config: Config) -> CheckpointError:
    given = {name: config[name] for name in entry.names if name in config}
    return CheckpointError(
        "config.json: {given} is not what belongs there, or no size of a model; fetch the model "
        "again.",
        given=", ".join(f"{name} = {str(value)[:60]}" for name, value in given.items()),
    )
