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
    spec = _stack(model.spec)
    pattern = tuple(spec.pattern[i] for i in kept) if spec.pattern else ()
    smaller = replace(spec, depth=len(kept), pattern=pattern)
    if "local" not in pattern:
        smaller = replace(smaller, window=None if spec.pattern else spec.window)
    return _rebuilt(model, smaller, lambda layer, name, old: old, list(kept))


def without_neurons(model: Transformer, kept: Sequence[Tensor]) -> Transformer:
    """Only these neurons of each layer's feed-forward block, as many in every layer."""
    spec = _stack(model.spec)
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
    spec = _stack(model.spec)
    attention = spec.attention
    groups = attention.num_kv_heads or attention.num_heads
    shared, count = attention.num_heads // groups, len(kept[0])
    width = attention.head_width_in(model.spec.width)
    smaller = replace(
        attention,
        num_heads=count * shared,
        num_kv_heads=None if attention.num_kv_heads is None else count,
        head_width=width,
    )

    def features(numbers: Tensor, each: int) -> Tensor:
        return (numbers[:, None] * each + torch.arange(each)).flatten()

    def pick(layer: int, name: str, old: Tensor) -> Tensor:
        room, _, part = name.rpartition(".")
        queries, keys = (features(kept[layer], n) for n in (shared * width, width))
        if room.endswith("attention.block.output") and part == "weight":
            return old[:, queries]
        fused = _submodule(model, layer, room)
        if isinstance(fused, FusedLinear) and "key" in fused.parts:
            wanted = {"query": queries, "key": keys, "value": keys}
            return torch.cat([old[at][wanted[name]] for name, at in fused.slices.items()])
        return old[queries] if room.endswith("attention.block.query") else old

    return _rebuilt(model, replace(spec, attention=smaller), pick)


def shrunk(model: Transformer, layers: Sequence[int], neurons: Sequence[Tensor]) -> Transformer:
    """Only these layers, and of each of them only these neurons."""
    return without_neurons(without_layers(model, layers), neurons)


def _stack(spec: ModelSpec) -> StackSpec:
    return spec.input_stack


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
