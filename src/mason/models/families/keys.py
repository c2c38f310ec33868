"""Config keys of Hugging Face as data: each entry reads and writes, typed once.

An entry reads the keys it names from a config and says which paths of the ``ModelSpec``
they set; the same entry puts them back. A key that no entry names is refused.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar, runtime_checkable

from mason.errors import CheckpointError
from mason.models.families.paths import is_there, read

Config = dict[str, Any]
Paths = str | tuple[str, ...]
Default = Any | Callable[[Config], Any]


@runtime_checkable
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
class Each:
    """Lists of values that are spelled differently."""

    names: Names

    def read(self, value: Any, key: str) -> Any:
        """Mason's values."""
        return tuple(self.names.read(item, key) for item in value)

    def write(self, value: Any) -> Any:
        """Hugging Face's values."""
        return [self.names.write(item) for item in value]


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


@dataclass(frozen=True)
class Key:
    """One key that sets one value at one path or, alike, at several."""

    name: str
    paths: Paths
    default: Default = None
    code: Names | Each | Code = SAME
    nullable: bool = False
    """Null means none of it, so that only an absent key is the default."""

    def take(self, config: Config, values: dict[str, Any]) -> None:
        """Read the key; an absent one, and a null one unless it says so, is the default."""
        value = config.get(self.name)
        if value is None and not (self.nullable and self.name in config):
            value = self.default(config) if callable(self.default) else self.default
        known = self.code.read(value, self.name) if value is not None else None
        for path in _many(self.paths):
            values[path] = known

    def put(self, spec: Any, config: Config) -> None:
        """Write the key; None is left out, unless a null means it."""
        found = {path: read(spec, path) for path in _many(self.paths) if is_there(spec, path)}
        value = next(iter(found.values()), None)
        written = None if value is None else self.code.write(value)
        if any(v != value for v in found.values()) or config.get(self.name, written) != written:
            raise CheckpointError(
                "This model cannot be written in its family's format: {key} holds one value "
                "but the model has {values}; give both the same.",
                key=self.name,
                values=found,
            )
        if written is not None or self.nullable:
            config[self.name] = written

    def sets(self, leaf: str) -> bool:
        """Whether one of its paths ends so."""
        return any(path.endswith(leaf) for path in _many(self.paths))

    def under(self, base: str) -> "Key":
        """The same key with its paths after ``base``."""
        return replace(self, paths=tuple(base + path for path in _many(self.paths)))

    @property
    def names(self) -> tuple[str, ...]:
        """The key."""
        return (self.name,)


@dataclass(frozen=True)
class Switch:
    """A flag without which another key's value has no effect."""

    flag: str
    key: Key

    def take(self, config: Config, values: dict[str, Any]) -> None:
        """Read the key where the flag is set; else there is none of it."""
        if config.get(self.flag):
            self.key.take(config, values)
        else:
            values.update(dict.fromkeys(_many(self.key.paths)))

    def put(self, spec: Any, config: Config) -> None:
        """Write both."""
        self.key.put(spec, config)
        config[self.flag] = config.get(self.key.name) is not None

    @property
    def names(self) -> tuple[str, ...]:
        """The flag and the key."""
        return (self.flag, *self.key.names)


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
        there = [i for i, path in enumerate(self.paths) if is_there(spec, path)]
        found = [read(spec, self.paths[i]) for i in there]
        config[self.name] = next(
            theirs for theirs, ours in self.table.items() if [ours[i] for i in there] == found
        )

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
class Stacks:
    """A flag that says whether there are both stacks; the class tells it anyway."""

    name: str

    def take(self, config: Config, values: dict[str, Any]) -> None:
        """The stacks follow from the heads."""

    def put(self, spec: Any, config: Config) -> None:
        """Write the flag."""
        config[self.name] = is_there(spec, "encoder.") and is_there(spec, "decoder.")

    @property
    def names(self) -> tuple[str, ...]:
        """The key."""
        return (self.name,)


def both(*paths: str) -> tuple[str, ...]:
    """The same paths in the encoder and the decoder."""
    return tuple(f"{stack}.{path}" for path in paths for stack in ("encoder", "decoder"))


Some = TypeVar("Some", bound=Entry)


def fixed(values: tuple[Any, ...], *names: str) -> tuple[Fixed, ...]:
    """Several keys whose only computable values are the same."""
    return tuple(Fixed(name, values) for name in names)


def with_defaults(entries: Sequence[Some], **defaults: Default) -> tuple[Some, ...]:
    """The same entries with other defaults, by key."""
    named = {entry.name for entry in entries if isinstance(entry, Key)}
    assert set(defaults) <= named, f"no key is called {set(defaults) - named}"
    return tuple(
        replace(entry, default=defaults[entry.name])
        if isinstance(entry, Key) and entry.name in defaults
        else entry
        for entry in entries
    )


def replaced(entries: Sequence[Entry], *changed: Entry) -> tuple[Entry, ...]:
    """The same entries, but these in the place of those that read the same keys."""
    new = {entry.names: entry for entry in changed}
    assert new.keys() <= {entry.names for entry in entries}, "nothing to replace"
    return tuple(new.get(entry.names, entry) for entry in entries)


def times(name: str, factor: int, default: int) -> Callable[[Config], Any]:
    """A default that is a multiple of another key of the same config, or of its default."""
    return lambda config: factor * config.get(name, default)


def like(name: str, default: Any) -> Callable[[Config], Any]:
    """A default that is another key's value, or its default."""
    return lambda config: config.get(name, default)


def _many(paths: Paths) -> tuple[str, ...]:
    return (paths,) if isinstance(paths, str) else paths
