"""Nested specs by dotted path: ``decoder.attention.num_heads`` reads and builds them."""

import dataclasses
import types
import typing
from collections.abc import Mapping
from functools import cache
from typing import Any

Values = Mapping[str, Any]
"""Dotted path to value."""


def read(spec: Any, path: str) -> Any:
    """The value at a path; None where a part on the way is None."""
    for name in path.split("."):
        if spec is None:
            return None
        spec = spec[name] if isinstance(spec, Mapping) else getattr(spec, name)
    return spec


def is_there(spec: Any, path: str) -> bool:
    """Whether a model has the stack that a path leads into."""
    stack = path.partition(".")[0]
    return stack not in ("encoder", "decoder") or getattr(spec, stack) is not None


def build(cls: type, values: Values) -> Any:
    """An instance of a nested frozen dataclass from dotted paths and values."""
    return _build(cls, _nest(values))


def _nest(values: Values) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for path, value in values.items():
        *parents, leaf = path.split(".")
        node = tree
        for name in parents:
            node = node.setdefault(name, {})
        node[leaf] = value
    return tree


def _build(cls: type, tree: Mapping[str, Any]) -> Any:
    types_of = _field_types(cls)
    unknown = set(tree) - set(types_of)
    assert not unknown, f"{cls.__name__} has no {unknown}"
    return cls(**{name: _value(types_of[name], value) for name, value in tree.items()})


def _value(annotation: Any, value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    inner = _dataclass_in(annotation)
    if inner is not None:
        return _build(inner, value)
    if typing.get_origin(annotation) is Mapping or "Mapping" in str(annotation):
        element = _dataclass_in(typing.get_args(annotation)[1])
        if element is not None:
            return {name: _build(element, tree) for name, tree in value.items()}
    return value


def _dataclass_in(annotation: Any) -> type | None:
    options = typing.get_args(annotation) if _is_union(annotation) else (annotation,)
    found = [o for o in options if dataclasses.is_dataclass(o)]
    return found[0] if found else None  # type: ignore[return-value]


def _is_union(annotation: Any) -> bool:
    return typing.get_origin(annotation) in (typing.Union, types.UnionType)


@cache
def _field_types(cls: type) -> dict[str, Any]:
    return typing.get_type_hints(cls)
