"""Nested specs by dotted path: ``decoder.attention.num_heads`` reads and builds them."""

import dataclasses
import math
import types
import typing
from collections.abc import Mapping
from functools import cache
from typing import Any

Values = Mapping[str, Any]
"""Dotted path to value."""
LARGEST = 2**24
"""No size of a published model comes near it, and the product of two can be counted."""


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


def annotation(cls: type, path: str) -> Any:
    """What a spec's field at a path is declared as."""
    found: Any = cls
    for name in path.split("."):
        inner = _dataclass_in(found)
        if inner is not None:
            found = _field_types(inner)[name]
        else:  # a mapping, from names to specs
            found = typing.get_args(found)[1]
    return found


def fits(declared: Any, value: Any) -> bool:
    """Whether a value that JSON can hold is what a field is declared as."""
    origin, options = typing.get_origin(declared), typing.get_args(declared)
    if _is_union(declared):
        return any(fits(option, value) for option in options)
    if origin is typing.Literal:
        return any(value is option or value == option for option in options)
    if origin is tuple:
        return isinstance(value, tuple) and all(fits(options[0], item) for item in value)
    if origin is Mapping:
        return isinstance(value, Mapping) and all(fits(options[1], v) for v in value.values())
    if declared is float:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return number and math.isfinite(value)
    if declared is int:
        return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= LARGEST
    if declared is bool:
        return isinstance(value, bool) or value in (0, 1)
    if declared in (None, type(None)):
        return value is None
    return isinstance(value, declared)


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
