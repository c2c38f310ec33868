"""From a file and overrides to settings: names resolved, values checked, mistakes explained."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from mason.errors import SettingsError
from mason.language import say
from mason.settings.aliases import ALIASES, SHORTHANDS, UNSAID, Alias
from mason.settings.schema import GROUPS, Settings, nested, paths
from mason.settings.yaml_text import read_yaml


@dataclass(frozen=True)
class Resolved:
    """The settings, and the names of other tools that stood for some of them."""

    settings: Settings
    aliases: Mapping[str, str]
    """Name used → the setting's own path, with the value where that changed too."""

    @property
    def notices(self) -> tuple[str, ...]:
        """One sentence for each name that has a name of Mason's own."""
        return tuple(
            say("{alias} is read as {path}.", alias=alias, path=path)
            for alias, path in self.aliases.items()
        )


class _Given(NamedTuple):
    """One value as a person gave it."""

    name: str
    value: object
    place: str
    """``FILE, line N: ``, or nothing for an override."""


def load_settings(
    file: Path | None = None, overrides: Mapping[str, object] | None = None
) -> Resolved:
    """Read settings from a YAML file, then let the overrides win.

    Args:
        file: a YAML file; None for none.
        overrides: dotted names (``training.learning-rate``, hyphens or underscores) to
            values; text is read as the setting's type, and None means not given.

    Returns:
        The settings, and which aliases they were given under.

    Raises:
        SettingsError: an unknown name, a value of the wrong type or out of range, one
            setting given twice with different values, or a file that is no plain YAML.
    """
    tree, lines = read_yaml(file) if file is not None else ({}, {})
    from_file = [
        _Given(name, value, say("{file}, line {line}: ", file=file, line=lines[name]))
        for name, value in _leaves(tree)
    ]
    from_overrides = [_Given(name, value, "") for name, value in _leaves(overrides or {})]
    aliases: dict[str, str] = {}
    given = _by_path(from_file, aliases) | _by_path(from_overrides, aliases)
    return Resolved(_checked(given), aliases)


def _leaves(tree: Mapping[str, object], group: str = "") -> Iterator[tuple[str, object]]:
    """Dotted names as written, and their values; what is None is left out."""
    for key, value in tree.items():
        name = f"{group}.{key}" if group else str(key)
        if isinstance(value, Mapping) and _canonical(name) in GROUPS:
            yield from _leaves(value, name)
        elif value is not None:
            yield name, value


def _canonical(name: str) -> str:
    return name.replace("-", "_")


def _by_path(given: list[_Given], aliases: dict[str, str]) -> dict[str, _Given]:
    """Each setting's value by its own path; ``aliases`` learns the names used."""
    found: dict[str, _Given] = {}
    for one in given:
        path, value = _resolve(one, aliases)
        if value is UNSAID:
            continue
        earlier = found.setdefault(path, one._replace(value=value))
        if earlier.value != value:
            raise SettingsError(
                "{place}{name} and {other} both set {path}, to different values; keep one.",
                place=one.place,
                name=one.name,
                other=earlier.name,
                path=path,
            )
    return found


def _resolve(one: _Given, aliases: dict[str, str]) -> tuple[str, object]:
    name = _canonical(one.name)
    if name in paths():
        return name, one.value
    if name in SHORTHANDS and not isinstance(one.value, Mapping):
        return SHORTHANDS[name], one.value
    group, _, leaf = name.rpartition(".")
    alias = ALIASES.get(leaf) if group in ("", *GROUPS) else None
    if alias is None:
        raise _unknown(one, leaf, group)
    value = alias.translate(one.value)
    if value is not UNSAID:
        aliases[one.name] = alias.path if value == one.value else f"{alias.path}: {value}"
    return alias.path, value


def _unknown(one: _Given, leaf: str, group: str) -> SettingsError:
    if not group and leaf in GROUPS:
        return SettingsError(
            "{place}{name} holds settings of its own; write them below it, by name.",
            place=one.place,
            name=one.name,
        )
    names = ALIASES | {name: Alias(name) for name in GROUPS}
    if near := get_close_matches(leaf, names, n=1, cutoff=0.7):
        return SettingsError(
            "{place}there is no setting {name}; did you mean {near}?",
            place=one.place,
            name=one.name,
            near=names[near[0]].path,
        )
    known = GROUPS[group].model_fields if group in GROUPS else (*GROUPS, "task", "language")
    return SettingsError(
        "{place}there is no setting {name}; choose from {known}.",
        place=one.place,
        name=one.name,
        known=", ".join(known),
    )


def _checked(given: Mapping[str, _Given]) -> Settings:
    try:
        return Settings.model_validate(nested({path: one.value for path, one in given.items()}))
    except ValidationError as error:
        path = ".".join(str(part) for part in error.errors()[0]["loc"][:2])
        path = path if path in given else path.partition(".")[0]
        one = given[path]
        raise SettingsError(
            "{place}{name} is {found}; it must be {wanted}.",
            place=one.place,
            name=path if _canonical(one.name) == path else f"{one.name} ({path})",
            found=_shortened(one.value),
            wanted=wanted(path),
        ) from error


def _shortened(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"


def wanted(path: str) -> str:
    """What the setting at ``path`` may be, in words, such as "a whole number from 1 to 9"."""
    kind = _schema(path)
    if "enum" in kind:
        return say("one of {choices}", choices=", ".join(map(str, kind["enum"])))
    low, high = kind.get("minimum"), kind.get("maximum")
    match kind["type"]:
        case "integer":
            return say("a whole number from {low} to {high}", low=low, high=high)
        case "number" if low is None:
            above = kind["exclusiveMinimum"]
            return say(
                "a number above {low} and at most {high}", low=f"{above:g}", high=f"{high:g}"
            )
        case "number" if high is None:
            below = kind["exclusiveMaximum"]
            return say("a number from {low} to less than {high}", low=f"{low:g}", high=below)
        case "number":
            return say("a number from {low} to {high}", low=f"{low:g}", high=f"{high:g}")
        case "boolean":
            return say("true or false")
        case "array":
            return say("whole numbers from 1 to 1000, one for each source, such as 3,1")
    if path == "adapter.targets":
        return say("a name, or a list of names with commas between")
    if "train" in path or path in ("data.valid", "data.test", "data.exclude"):
        return say("a name in quotes, or a list of such names")
    return say("text on one line, in quotes where it looks like a number")


@cache
def _schema(path: str) -> dict[str, Any]:
    """The JSON schema of one setting, without its None."""
    group, _, leaf = path.rpartition(".")
    schema = (GROUPS[group] if group else Settings).model_json_schema()["properties"][leaf]
    variants = [kind for kind in schema.get("anyOf", [schema]) if kind.get("type") != "null"]
    found: dict[str, Any] = variants[0]
    return found
