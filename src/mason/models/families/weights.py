"""Weight names of Hugging Face as data: a few closed verbs, each with its inverse.

A table maps a module (or a single tensor) of ours to where it lies in a checkpoint.
``{i}`` stands for a layer's number and ``{stack}`` for "encoder" or "decoder"; a name that
starts with a dot lies under the family's base prefix.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Rename:
    """The same tensor under another name."""

    name: str

    @property
    def names(self) -> tuple[str, ...]:
        """The checkpoint's tensors this verb reads."""
        return (self.name,)

    def join(self, tensors: Sequence[Tensor]) -> Tensor:
        """Ours from theirs."""
        return tensors[0]

    def cut(self, tensor: Tensor, widths: Sequence[int]) -> list[Tensor]:
        """Theirs from ours."""
        return [tensor]


@dataclass(frozen=True)
class Transpose(Rename):
    """A matrix stored [inputs, outputs]."""

    def join(self, tensors: Sequence[Tensor]) -> Tensor:
        """Ours from theirs."""
        return tensors[0].T if tensors[0].ndim == 2 else tensors[0]

    def cut(self, tensor: Tensor, widths: Sequence[int]) -> list[Tensor]:
        """Theirs from ours."""
        return [tensor.T if tensor.ndim == 2 else tensor]


@dataclass(frozen=True)
class Row(Rename):
    """A vector stored as a matrix of one row."""

    def join(self, tensors: Sequence[Tensor]) -> Tensor:
        """Ours from theirs."""
        return tensors[0].squeeze(0)

    def cut(self, tensor: Tensor, widths: Sequence[int]) -> list[Tensor]:
        """Theirs from ours."""
        return [tensor.unsqueeze(0)]


@dataclass(frozen=True)
class Concat:
    """Several of theirs, one after another, are one of ours."""

    parts: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The checkpoint's tensors this verb reads."""
        return self.parts

    def join(self, tensors: Sequence[Tensor]) -> Tensor:
        """Ours from theirs."""
        return torch.cat(list(tensors))

    def cut(self, tensor: Tensor, widths: Sequence[int]) -> list[Tensor]:
        """Theirs from ours; ``widths`` are the rows of each part."""
        return list(tensor.split(list(widths)))


@dataclass(frozen=True)
class ByParts:
    """Another verb for each number of parts our module is fused of."""

    options: "tuple[str | Concat, ...]"
    """For one part, for two parts."""


Verb = Rename | Concat
Table = Mapping[str, Verb | ByParts | str]
"""Pattern of our module or tensor to verb; a bare string is ``Rename``."""

_WILDCARDS = {"i": r"(?P<i>\d+)", "stack": r"(?P<stack>encoder|decoder)"}


def concat(pattern: str, *parts: str) -> Concat:
    """``concat("a.{}.b", "q", "k")`` is ``Concat(("a.q.b", "a.k.b"))``."""
    return Concat(tuple(pattern.replace("{}", part) for part in parts))


def match(pattern: str, name: str) -> dict[str, str] | None:
    """What the wildcards of a pattern stand for in a name; None where it does not match."""
    if "{" not in pattern:
        return {} if pattern == name else None
    regex = re.escape(pattern)
    for wildcard, group in _WILDCARDS.items():
        regex = regex.replace(r"\{" + wildcard + r"\}", group, 1)
        regex = regex.replace(r"\{" + wildcard + r"\}", f"(?P={wildcard})")
    found = re.fullmatch(regex, name)
    return found.groupdict() if found else None


def resolve(
    verb: Verb | ByParts | str, wild: Mapping[str, str], leaf: str, prefix: str, num_parts: int
) -> Verb:
    """The verb for one tensor: wildcards, leaf (weight, bias) and base prefix put in."""

    def full(name: str) -> str:
        name = prefix + name[1:] if name.startswith(".") else name
        for wildcard, value in wild.items():
            name = name.replace("{" + wildcard + "}", value)
        return name + (f".{leaf}" if leaf else "")

    if isinstance(verb, ByParts):
        verb = verb.options[num_parts - 1]
    if isinstance(verb, str):
        return Rename(full(verb))
    if isinstance(verb, Concat):
        return Concat(tuple(full(part) for part in verb.parts))
    return type(verb)(full(verb.name))
