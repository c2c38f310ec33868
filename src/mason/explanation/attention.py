"""Where attention looks: the weights of every layer and head, computed beside the model.

The kernels that a model runs on never hold these weights. Here a hook hears what each attention
block is given, and asks the block itself for its weights; the model's own way stays as it is.

Attention says where a layer reads from, not what decided the answer: other weights often give the
same answer (Jain & Wallace 2019).
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mason.errors import SettingsError
from mason.layers import Attention
from mason.models.layer import Layer
from mason.models.packed import Packed
from mason.models.stack import Stack
from mason.models.transformer import Transformer

Place = Literal["encoder", "decoder", "cross"]
"""Which attention: a stack's to itself, or a decoder's to its encoder."""
Habit = Literal["same", "previous", "next", "first", "last", "wide"]
"""Where a head mostly looks: at the token itself, its neighbours, an end of the text, or nowhere
most of all."""
Weights = NDArray[np.float32]
"""Of one sequence [heads, queries, keys]; each row sums to 1."""
_MOSTLY = 0.5


@dataclass(frozen=True)
class Looks:
    """Where all layers of one kind of attention look, for one sequence.

    Attributes:
        place: Which attention.
        queries: Ids of the tokens that look.
        keys: Ids of those that are looked at.
        layers: Of each layer, the first at the bottom [heads, queries, keys].
    """

    place: Place
    queries: tuple[int, ...]
    keys: tuple[int, ...]
    layers: tuple[Weights, ...]


@torch.no_grad()
def look(network: Transformer, read: Callable[[], object]) -> list[Looks]:
    """Where each kind of attention looks while a network reads one sequence.

    Args:
        network: The network; it is not changed.
        read: Lets it read, once.

    Raises:
        SettingsError: A layer's attention is a class that does not tell.
    """
    with layer_by_layer(network), _listening(network) as heard:
        read()
    found = [Looks(name, told.tokens, told.tokens, tuple(told.own)) for name, told in heard.items()]
    written = heard.get("decoder")
    if written is not None and written.cross:
        keys = heard["encoder"].tokens
        found.append(Looks("cross", written.tokens, keys, tuple(written.cross)))
    return found


@contextmanager
def layer_by_layer(network: Transformer) -> Iterator[None]:
    """Let stacks that one kernel computes at once go through their layers, where hooks hear."""
    stacks = stacks_of(network).values()
    held = [stack.program for stack in stacks]
    for stack in stacks:
        stack.program = None
    try:
        yield
    finally:
        for stack, program in zip(stacks, held, strict=True):
            stack.program = program


class _Heard:
    """What the attention blocks of one stack looked at, in the order of its layers."""

    def __init__(self) -> None:
        self.tokens: tuple[int, ...] = ()
        self.own: list[Weights] = []
        self.cross: list[Weights] = []

    def hear_tokens(self, _: nn.Module, given: Sequence[Any]) -> None:
        packed: Packed = given[0]
        assert len(packed.layout) == 1, "one sequence is looked at"
        assert not self.own, "it is read once"
        self.tokens = tuple(packed.tokens.tolist())

    def hear(self, block: nn.Module, given: Sequence[Any], options: dict[str, Any]) -> None:
        if not isinstance(block, Attention):
            raise SettingsError(
                "The attention {kind} does not tell where it looks; make it a subclass of "
                "mason.layers.Attention.",
                kind=type(block).__name__,
            )
        asked = {name: told for name, told in options.items() if name != "cache"}
        (weights,) = block.shares(given[0], **asked)
        (self.cross if block.cross else self.own).append(_array(weights[0]))


@contextmanager
def _listening(network: Transformer) -> Iterator[dict[Place, _Heard]]:
    heard: dict[Place, _Heard] = {}
    hooks = []
    for name, stack in stacks_of(network).items():
        heard[name] = told = _Heard()
        hooks.append(stack.register_forward_pre_hook(told.hear_tokens))
        for block in attentions_of(stack):
            hooks.append(block.register_forward_pre_hook(told.hear, with_kwargs=True))
    try:
        yield heard
    finally:
        for hook in hooks:
            hook.remove()


def stacks_of(network: Transformer) -> dict[Place, Stack]:
    """The stacks that a network has, the encoder first."""
    both: dict[Place, Stack | None] = {"encoder": network.encoder, "decoder": network.decoder}
    return {name: stack for name, stack in both.items() if stack is not None}


def attentions_of(stack: Stack) -> Iterator[nn.Module]:
    """The attention blocks of a stack, layer by layer, a layer's own before its cross one."""
    for layer in stack.layers:
        assert isinstance(layer, Layer)
        for residual in (layer.attention, layer.cross_attention):
            if residual is not None:
                yield residual.block


def _array(weights: Tensor) -> Weights:
    told: Weights = weights.float().cpu().numpy()
    return told


def habit(weights: NDArray[np.float32], place: Place) -> tuple[Habit, float]:
    """Where one head [queries, keys] mostly looks, and the share of its weight there.

    The mean over the tokens that look; a token that cannot look there (the first one has no
    previous) is left out. A head that gives no such place half its weight looks wide, and its
    share is that of the place it gives most.
    """
    shares: dict[Habit, float] = {
        "first": float(weights[:, 0].mean()),
        "last": float(weights[:, -1].mean()),
    }
    if place != "cross":
        shares["same"] = float(np.diagonal(weights).mean())
        if len(weights) > 1:
            shares["previous"] = float(np.diagonal(weights, -1).mean())
            shares["next"] = float(np.diagonal(weights, 1).mean())
    best = max(shares, key=shares.__getitem__)
    return (best if shares[best] >= _MOSTLY else "wide"), shares[best]
