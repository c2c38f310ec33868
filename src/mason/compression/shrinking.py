"""A model without some layers, feed-forward neurons or attention heads: an ordinary, smaller one.

Each function leaves the model it is given alone and works on the stack that reads the text.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from mason.layers import FusedLinear, StackSpec
from mason.models.spec import ModelSpec
from mason.models.transformer import Transformer

_LAYER = re.compile(r"^(encoder|decoder)\.layers\.(\d+)\.(.*)$")
Pick = Callable[[int, str, Tensor], Tensor]
"""From a layer's number, a parameter's name in the layer, and its values to what is kept."""


def without_layers(model: Transformer, kept: Sequence[int]) -> Transformer:
    """Only the layers of these numbers, in order."""
    spec = model.spec.input_stack
    pattern = tuple(spec.pattern[i] for i in kept) if spec.pattern else ()
    smaller = replace(spec, depth=len(kept), pattern=pattern)
    if "local" not in pattern:
        smaller = replace(smaller, window=None if spec.pattern else spec.window)
    return _rebuilt(model, smaller, lambda layer, name, old: old, list(kept))


def without_neurons(model: Transformer, kept: Sequence[Tensor]) -> Transformer:
    """Only these neurons of each layer's feed-forward block, as many in every layer."""
    spec = model.spec.input_stack
    inner = replace(spec.feed_forward, width=len(kept[0]))

    def pick(layer: int, name: str, old: Tensor) -> Tensor:
        room, _, part = name.rpartition(".")
        if room == "feed_forward.block.input":
            parts = 2 if spec.feed_forward.gated else 1
            return torch.cat([half[kept[layer]] for half in old.chunk(parts)])
        if room == "feed_forward.block.output" and part == "weight":
            return old[:, kept[layer]]
        return old

    return _rebuilt(model, replace(spec, feed_forward=inner), pick)


def without_heads(model: Transformer, kept: Sequence[Tensor]) -> Transformer:
    """Only these key heads of each layer, with the query heads that share them."""
    width = model.spec.input_stack.attention.head_width_in(model.spec.width)

    def chosen(layer: int, heads: Tensor) -> Tensor:
        return heads[kept[layer]]

    return _with_heads(model, len(kept[0]), width, chosen)


def with_blank_heads(model: Transformer) -> Transformer:
    """The same answers with as many heads as the width has room for; those that are new give zeros.

    Files of most families have no place for the width of heads that are left when some are out.
    A model that has as many already stays as it is.
    """
    groups, shared, width = _heads(model.spec)
    count = model.spec.width // width // shared
    if count <= groups:
        return model

    def padded(layer: int, heads: Tensor) -> Tensor:
        return torch.cat([heads, heads.new_zeros(count - groups, *heads.shape[1:])])

    return _with_heads(model, count, None, padded)


def num_heads_of(spec: ModelSpec) -> int:
    """How many key heads a layer has; 0 where places are told head by head, so that none can go."""
    stack = spec.input_stack
    return 0 if stack.alibi or stack.relative is not None else _heads(spec)[0]


def _heads(spec: ModelSpec) -> tuple[int, int, int]:
    """Key heads of a layer, query heads to each of them, and how wide one is."""
    attention = spec.input_stack.attention
    groups = attention.num_kv_heads or attention.num_heads
    return groups, attention.num_heads // groups, attention.head_width_in(spec.width)


def _with_heads(
    model: Transformer, count: int, width: int | None, pick: Callable[[int, Tensor], Tensor]
) -> Transformer:
    """So many key heads: ``pick`` makes them of a layer's old ones, [heads, features, ...]."""
    stack = model.spec.input_stack
    groups, shared, _ = _heads(model.spec)
    grouped = stack.attention.num_kv_heads is not None
    changed = replace(
        stack.attention,
        num_heads=count * shared,
        num_kv_heads=count if grouped else None,
        head_width=width,
    )

    def picked(layer: int, rows: Tensor) -> Tensor:
        return pick(layer, rows.unflatten(0, (groups, -1))).flatten(0, 1)

    def changing(layer: int, name: str, old: Tensor) -> Tensor:
        room, _, part = name.rpartition(".")
        if room == "attention.block.output" and part == "weight":
            return picked(layer, old.T).T
        fused = _submodule(model, layer, room)
        if isinstance(fused, FusedLinear) and "key" in fused.parts:
            return torch.cat([picked(layer, old[at]) for at in fused.slices.values()])
        return old

    return _rebuilt(model, replace(stack, attention=changed), changing)


def _submodule(model: Transformer, layer: int, room: str) -> nn.Module:
    side = "encoder" if model.encoder is not None else "decoder"
    return model.get_submodule(f"{side}.layers.{layer}.{room}")


def _rebuilt(
    model: Transformer, stack: StackSpec, pick: Pick, layers: Sequence[int] | None = None
) -> Transformer:
    """The model with another stack, filled from the old one's parameters.

    Args:
        model: The old one.
        stack: What reads the text in the new one.
        pick: What is kept of a parameter of a layer.
        layers: The old number of each new layer; None: as they are.
    """
    side = "encoder" if model.encoder is not None else "decoder"
    changed: dict[str, Any] = {side: stack}
    made = Transformer(replace(model.spec, **changed))
    old = dict(model.named_parameters())
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            found = _LAYER.match(name)
            if found is None or found[1] != side:
                parameter.copy_(old[name])
                continue
            number = int(found[2]) if layers is None else layers[int(found[2])]
            source = old[f"{side}.layers.{number}.{found[3]}"]
            parameter.copy_(pick(number, found[3], source))
    return made.train(model.training)
