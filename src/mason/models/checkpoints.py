"""Models from Hugging Face folders: every key and every tensor is accounted for."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from difflib import get_close_matches
from fnmatch import fnmatch
from itertools import groupby
from math import prod
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mason.errors import CheckpointError
from mason.layers import StackSpec, without_values
from mason.models.eight_bits import hold_in_eight_bits
from mason.models.families import Family, find_family, from_gguf, from_tensorflow
from mason.models.families.weights import Verb
from mason.models.few_bits import read_held
from mason.models.files import (
    Weights,
    open_weights,
    read_config,
)
from mason.models.files.folders import HELD
from mason.models.holding import Held, holder
from mason.models.saving import widths_of
from mason.models.spec import ModelSpec
from mason.models.transformer import Transformer
from mason.runtime import return_freed_memory


@dataclass(frozen=True)
class Checkpoint:
    """A model that was loaded, and what did not come from the files."""

    model: Transformer
    family: Family
    fresh: tuple[str, ...]
    """Parts that start from random weights, such as a new task's head."""
    dropped: tuple[str, ...]
    """Tensors of the files that this model has no use for: another task's head."""


def load_model(
    path: Path,
    *,
    heads: Iterable[str] | None = None,
    labels: Sequence[str] | None = None,
    values: bool = True,
    held: Held | None = None,
    as_read: bool = False,
) -> Checkpoint:
    """Load a Hugging Face folder or a GGUF file.

    Args:
        path: The folder or file.
        heads: Heads the model shall have; those the files lack start fresh. None: the ones
            its config names.
        labels: Names of the classes; None: those of the config.
        values: Whether weights are read; else the model is on the meta device, and of a folder
            the config alone is needed.
        held: In what the linear maps of the layers are held from the moment they are read, so
            that memory need never hold the model as its files do; None: in fp32. A model that
            was rounded before is held as it is.
        as_read: Whether the other maps and tables stay in the files' precision, for they are
            rounded next.

    Raises:
        CheckpointError: A file is missing or unsafe, a config key is not understood, or a
            tensor is missing, surplus or of another shape.
    """
    weights = open_weights(path) if values or path.is_file() else None
    if weights is not None and weights.metadata:
        config, weights = from_gguf(weights, path)
    else:
        config = read_config(path)
    if weights is not None and weights.tensorflow:
        weights = from_tensorflow(weights)
    family = find_family(config, path)
    chosen = tuple(heads) if heads is not None else family.heads_of(config)
    spec = family.read_config(config, chosen)
    renamed = labels is not None and tuple(labels) != spec.labels
    if labels is not None:
        spec = replace(spec, labels=tuple(labels))
    if weights is None or not values:
        with torch.device("meta"):
            return Checkpoint(Transformer(spec).eval(), family, (), ())
    if (file := _held_file(path)) is not None:
        with without_values():
            model = Transformer(spec)
        return Checkpoint(read_held(model, file), family, (), ())
    _check_size(spec, weights, path)
    held = None if weights.rounded else held
    with without_values() if held else nullcontext():
        model = Transformer(spec).eval()
    filling = _Filling(model, family, weights, path, new_labels=renamed, held=held, as_read=as_read)
    fresh, dropped = filling.run()
    if weights.rounded:
        hold_in_eight_bits(model)
    if held:
        return_freed_memory()
    return Checkpoint(model, family, fresh, dropped)


def _held_file(folder: Path) -> Path | None:
    """The file of a model in few bits."""
    return next((folder / name for name in HELD if (folder / name).is_file()), None)


def _check_size(spec: ModelSpec, weights: Weights, path: Path) -> None:
    """Refuse a config that asks for more than the files have, before there is room for it."""
    stacks = [stack for stack in (spec.encoder, spec.decoder) if stack is not None]
    wanted = max(_num_tables(spec, stack) for stack in stacks)  # which two stacks may share
    wanted += sum(_num_mapped(spec, stack) for stack in stacks)
    found = sum(prod(weights.shape(name)) for name in weights)
    if wanted > found:
        raise CheckpointError(
            "{path}: config.json asks for {wanted} numbers, and the files hold {found}; the config "
            "and the weights are not of the same model.",
            path=path,
            wanted=wanted,
            found=found,
        )


def _num_tables(spec: ModelSpec, stack: StackSpec) -> int:
    table = stack.embedding
    rows = table.vocab_size + (table.num_positions if table.positions == "learned" else 0)
    return rows * (table.width or spec.width)


def _num_mapped(spec: ModelSpec, stack: StackSpec) -> int:
    """Weights of the linear maps; biases and norms are few beside them."""
    attention, inner = stack.attention, stack.feed_forward
    shared = attention.num_kv_heads or attention.num_heads
    heads = 2 * (attention.num_heads + shared) * attention.head_width_in(spec.width)
    maps = heads * (2 if stack.cross else 1) + (3 if inner.gated else 2) * inner.width
    return (1 if stack.shared else stack.depth) * maps * spec.width


def base_heads(path: Path) -> tuple[str, ...]:
    """The heads of the class without a task in a model's family: none, or BERT's pooler.

    Raises:
        CheckpointError: Its config cannot be read.
    """
    weights = open_weights(path)
    config = from_gguf(weights, path)[0] if weights.metadata else read_config(path)
    return next(iter(find_family(config, path).architectures.values()))


class _Filling:
    """Puts a checkpoint's tensors into a model and keeps account of them."""

    def __init__(
        self,
        model: Transformer,
        family: Family,
        weights: Weights,
        path: Path,
        *,
        new_labels: bool,
        held: Held | None = None,
        as_read: bool = False,
    ) -> None:
        self.model, self.family, self.weights, self.path = model, family, weights, path
        self.new_labels, self.hold = new_labels, holder(held) if held else None
        self.as_read = as_read
        self.parameters = dict(model.named_parameters(remove_duplicate=False))
        self.prefix = self._prefix()
        self.used: set[str] = set()
        self.fresh: list[str] = []

    def run(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Fill every parameter; return what stayed fresh and what was left over."""
        with torch.no_grad():
            names = [name for name, _ in self.model.named_parameters()]
            for room, within in groupby(names, key=lambda name: name.rpartition(".")[0]):
                for name in within:
                    self._fill(name, self.parameters[name])
                if self.hold is not None:
                    self._settle(room, self.hold)
            dropped = [n for n in self.weights if n not in self.used and self._left_over(n)]
        return tuple(self.fresh), tuple(dropped)

    def _prefix(self) -> str:
        prefixes = {self.family.prefix} | {
            head.prefix for head in self.family.heads.values() if head.prefix is not None
        }
        for prefix in sorted(prefixes, key=len, reverse=True):
            if prefix and any(name.startswith(prefix) for name in self.weights):
                return prefix
        return ""

    def _fill(self, name: str, parameter: Tensor) -> None:
        shared = self.model.spec.share_embeddings
        verb = self.family.verb(name, self.prefix, len(widths_of(self.model, name)), shared=shared)
        assert verb is not None, f"the table of {self.family.name} has no word for {name}"
        present = [self._spelling(n, name) for n in verb.names]
        if any(n is None for n in present):
            self._absent(name, verb)
            return
        tensor = verb.join([self.weights.tensor(n) for n in present if n])
        if tensor.shape != parameter.shape:
            self._misshapen(name, verb, tensor, parameter)
            return
        self.used.update(n for n in present if n)
        if not parameter.is_meta:
            parameter.copy_(tensor)
            return
        room, _, leaf = name.rpartition(".")
        module = self.model.get_submodule(room)
        # What is rounded at once, or next, need not be wide before.
        rounded = isinstance(module, nn.Linear | nn.Embedding) and self.as_read
        narrow = leaf == "weight" and (".layers." in room or rounded)
        self.parameters[name] = nn.Parameter(tensor if narrow else tensor.float())
        setattr(module, leaf, self.parameters[name])

    def _settle(self, room: str, hold: Callable[[nn.Linear], nn.Module]) -> None:
        """Let what stands for a map of the layers take its place; what had no values gets some."""
        module = self.model.get_submodule(room)
        if any(p.is_meta for p in module.parameters(recurse=False)):  # the files have none
            self.model.initialise(module.to_empty(device="cpu"))
        if ".layers." in room and isinstance(module, nn.Linear):
            self.model.set_submodule(room, hold(module).train(module.training))
            for leaf, _ in module.named_parameters():
                del self.parameters[f"{room}.{leaf}"]

    def _spelling(self, theirs: str, ours: str) -> str | None:
        """A tensor's name in these files: its own, or that of a copy that is tied to it."""
        if theirs in self.weights:
            return theirs
        tied = self.parameters[ours]
        copies = (c for c, original in self._copies().items() if self._is(original, tied))
        return next((copy for copy in copies if copy in self.weights), None)

    def _is(self, name: str, parameter: Tensor) -> bool:
        return self.parameters.get(name) is parameter

    def _copies(self) -> dict[str, str]:
        """Full name of each tensor that repeats one of ours, and ours."""
        return {
            self.prefix + copy[1:] if copy.startswith(".") else copy: original
            for copy, original in self.family.copies.items()
        }

    def _absent(self, name: str, verb: Verb) -> None:
        if name.startswith("heads."):
            self.fresh.append(name)
            return
        missing = [n for n in verb.names if n not in self.weights]
        near = get_close_matches(missing[0], list(self.weights), n=1, cutoff=0.8)
        raise CheckpointError(
            "{path}: the weight {name} is missing{near}; the file is damaged or not a {family} "
            "model.",
            path=self.path,
            name=missing[0],
            near=f" ({near[0]}?)" if near else "",
            family=self.family.name,
        )

    def _misshapen(self, name: str, verb: Verb, tensor: Tensor, parameter: Tensor) -> None:
        if self.new_labels and name.startswith("heads."):
            self.fresh.append(name)
            self.used.update(verb.names)
            return
        raise CheckpointError(
            "{path}: the weight {name} has the shape {found}, but config.json asks for {wanted}; "
            "the config and the weights are not of the same model.",
            path=self.path,
            name=verb.names[0],
            found=list(tensor.shape),
            wanted=list(parameter.shape),
        )

    def _left_over(self, name: str) -> bool:
        """True for another task's head; refuse what nothing knows."""
        if any(fnmatch(name, pattern) for pattern in self.family.dropped):
            return False
        original = self._copies().get(name)
        if original in self.parameters:
            self._check_copy(name, self.parameters[original])
            return False
        if self.family.known_elsewhere(name, self.prefix):
            return True
        if self.model.decoder is None and self.family.of_decoder(name, self.prefix):
            return True
        raise CheckpointError(
            "{path}: the weight {name} has no place in a {family} model; it would be lost without "
            "a word, so the model is not loaded.",
            path=self.path,
            name=name,
            family=self.family.name,
        )

    def _check_copy(self, name: str, ours: Tensor) -> None:
        if not torch.equal(self.weights.tensor(name).to(ours.dtype), ours):
            raise CheckpointError(
                "{path}: {name} should be a copy of the weight it is tied to, but differs; "
                'set "tie_word_embeddings": false in config.json if they are meant to differ.',
                path=self.path,
                name=name,
            )


def spec_of(config: Mapping[str, Any], heads: Iterable[str] | None = None) -> ModelSpec:
    """The spec a Hugging Face config describes, without any weights."""
    family = find_family(config, Path("config.json"))
    chosen = tuple(heads) if heads is not None else family.heads_of(dict(config))
    return family.read_config(dict(config), chosen)
