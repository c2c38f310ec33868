"""YAML in and out: plain data only, with line numbers, and without YAML 1.1's surprises.

Scalars follow YAML 1.2's core schema: ``no`` is text, ``3e-5`` a number, ``010`` ten.
Tags, keys given twice, and files or aliases that grow out of hand are refused.
"""

import re
from collections.abc import Callable
from pathlib import Path

import yaml

from mason.errors import SettingsError
from mason.language import say
from mason.settings.schema import GROUPS, Settings

MAX_BYTES = 1 << 18
MAX_NODES = 10_000

_SCALARS: dict[str, tuple[str, str, Callable[[str], object]]] = {
    # tag: pattern, first characters, value
    "null": (r"~|null|Null|NULL|", "~nN\0", lambda text: None),
    "bool": (r"true|True|TRUE|false|False|FALSE", "tTfF", lambda text: text.lower() == "true"),
    "int": (r"[-+]?[0-9]{1,40}", "-+0123456789", int),
    "float": (
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?",
        "-+.0123456789",
        float,
    ),
}
_TAG = "tag:yaml.org,2002:"


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader with the scalars above in place of its own."""


class _Dumper(yaml.SafeDumper):
    """Quotes what the loader would not read as text."""


for _class in (_Loader, _Dumper):
    _class.yaml_implicit_resolvers = {}
    for _tag, (_pattern, _first, _) in _SCALARS.items():
        _starts = ["" if sign == "\0" else sign for sign in _first]
        _class.add_implicit_resolver(_TAG + _tag, re.compile(rf"^(?:{_pattern})$"), _starts)


class _Reader:
    """One file's nodes as plain data, and the line of each key by its dotted path."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.lines: dict[str, int] = {}
        self.num_nodes = 0

    def read(self) -> dict[str, object]:
        text = self._text()
        try:
            loader = _Loader(text)
        except yaml.reader.ReaderError as error:  # a character that YAML does not have
            line = text.count("\n", 0, error.position) + 1
            raise self._refused(line, error.reason) from error
        try:
            node = loader.get_single_node()
            tree = self._plain(node, "") if node else None
        except (yaml.YAMLError, RecursionError) as error:
            mark = getattr(error, "problem_mark", None)
            reason = str(getattr(error, "problem", "")) or type(error).__name__
            raise self._refused(mark.line + 1 if mark else 1, reason) from error
        finally:
            loader.dispose()
        if tree is None:
            return {}
        if not isinstance(tree, dict):
            raise self._refused(1, say("a list or text where names and values belong"))
        return tree

    def _text(self) -> str:
        try:
            if self.file.stat().st_size > MAX_BYTES:
                raise self._refused(1, f"> {MAX_BYTES} bytes")
            return self.file.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError as error:
            raise self._refused(1, "not UTF-8") from error
        except OSError as error:
            raise SettingsError(
                "The settings file {file} cannot be read ({reason}); check its path.",
                file=self.file,
                reason=error.strerror,
            ) from error

    def _plain(self, node: yaml.Node, path: str) -> object:
        self.num_nodes += 1
        if self.num_nodes > MAX_NODES:
            raise self._refused(_line(node), f"> {MAX_NODES} values")
        tag = node.tag.removeprefix(_TAG)
        if isinstance(node, yaml.MappingNode) and tag == "map":
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode) and tag == "seq":
            return [self._plain(item, path) for item in node.value]
        if isinstance(node, yaml.ScalarNode) and tag == "str":
            return node.value
        if isinstance(node, yaml.ScalarNode) and tag in _SCALARS:
            return _SCALARS[tag][2](node.value)
        raise self._refused(_line(node), node.tag)

    def _mapping(self, node: yaml.MappingNode, path: str) -> dict[str, object]:
        plain: dict[str, object] = {}
        for key_node, value_node in node.value:
            key = self._plain(key_node, path)
            name = f"{path}.{key}" if path else str(key)
            if str(key) in plain:
                raise SettingsError(
                    "{file}, line {line}: {name} is given twice (first in line {first}); keep one.",
                    file=self.file,
                    line=_line(key_node),
                    name=name,
                    first=self.lines.get(name, 1),
                )
            self.lines[name] = _line(key_node)
            plain[str(key)] = self._plain(value_node, name)
        return plain

    def _refused(self, line: int, reason: str) -> SettingsError:
        return SettingsError(
            "{file}, line {line}: this is not plain YAML ({reason}); correct it.",
            file=self.file,
            line=line,
            reason=reason,
        )


def read_yaml(file: Path) -> tuple[dict[str, object], dict[str, int]]:
    """A file's names and values, and the line number (from 1) of each dotted name.

    Raises:
        SettingsError: the file is missing, too large, no YAML, has a name twice, or
            asks for more than plain data.
    """
    reader = _Reader(file)
    return reader.read(), reader.lines


def to_yaml(settings: Settings) -> str:
    """The settings as YAML that ``load_settings`` reads back to the same settings."""
    tree = settings.model_dump(mode="json", exclude_none=True)
    tree = {name: value for name, value in tree.items() if value or name not in GROUPS}
    return yaml.dump(tree, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1 << 20)


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
