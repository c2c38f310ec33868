"""A lone decoder's prompts and steps as one call of a kernel, where the kernel knows its layers.

Module by module a step of one row is some 600 calls, which take as long as reading the weights of
a small model. From layer to layer the rows are fp32, whatever the weights and the caches are held
in; by tiles a product takes them in bf16 where the model is in bf16, and in 16 bits beside int8. So
in bf16 it rounds less than the modules, which are what it is tested against.
"""

from operator import add
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from mason.layers import (
    Attention,
    Cache,
    FeedForward,
    FusedLinear,
    Int4Linear,
    Int8Linear,
    LayerNorm,
    Linear,
    PagedCache,
    Residual,
    RMSNorm,
    native,
)
from mason.layers.attention import Angles
from mason.layers.layout import Layout, Stored
from mason.models.encoder_calls import is_watched
from mason.models.layer import Layer
from mason.models.packed import Packed
from mason.models.stack import Stack

_MORE = 64
"""Positions, at least, whose angles are computed before they are needed."""
_LONG = 512
"""Tokens of a text up to which attention keeps up where many are read at once, but not by tiles."""
_ROWS = (torch.float32, torch.bfloat16)


class DecoderCall:
    """The layers of a stack as one call; for as long as nobody exchanges a module.

    Args:
        stack: What is computed; see ``call_of``.
        program: The same for the kernel.
    """

    def __init__(self, stack: Stack, program: native.DecoderProgram) -> None:
        self._stack, self._program = stack, program
        attention: Any = stack.layers[0].attention
        self._shape = attention.block.num_kv_heads, attention.block.head_width
        self._like: Tensor | None = None
        self._known, self._tables = 0, list[Angles]()

    def serves(self, new: Packed, cache: Cache) -> bool:
        """Whether these tokens are for the kernel: not too many, whose caches it may write to.

        Where virtual tokens come before a text, it takes what follows them.
        """
        fronts = self._stack.fronts
        begins = fronts is not None and fronts.chosen is not None and not all(cache.past)
        return (
            native.ready()
            and not begins
            and len(new.tokens) <= self._program.most_rows
            and (
                len(new.tokens) <= native.MOST
                or native.attends_by_tiles(self._shape[1])
                or max(map(add, cache.past, new.lengths)) <= _LONG
            )
            and not self._stack.training
        )

    def __call__(
        self, new: Packed, cache: Cache, at: Int[Tensor, "R"] | None
    ) -> Float[Tensor, "R D"]:
        """Hidden states of new tokens, or of those asked for; their keys and values are stored."""
        layout, keys = cache.advance(new.lengths, new.tokens.device)
        assert isinstance(keys, Stored), "the keys are in a cache"
        x = self._stack.embedding(new.tokens, layout, new.token_types).contiguous()
        if self._like is None or self._like.dtype is not x.dtype:
            self._like = x.new_empty(0, *self._shape)
        like = self._like, self._like
        pairs = list(zip(keys.places, layout.past, layout.lengths, strict=True))
        rows = self._program.run(
            x,
            [layer.places(like) for layer in cache.layers],
            [place for place, _, length in pairs for _ in range(length)],
            [past + k + 1 for _, past, length in pairs for k in range(length)],
            self._angles(max(keys.lengths), x.device),
            cache.table if isinstance(cache, PagedCache) else None,
        )
        return rows if at is None else rows.index_select(0, at)

    def _angles(self, needed: int, device: torch.device) -> list[Angles]:
        """Cosines and sines of so many positions and some more, for each way to turn."""
        if needed > self._known:
            self._known = needed + max(needed, _MORE)
            positions = Layout([self._known], device=device)
            self._tables = [self._stack.rotary[kind](positions) for kind in _ways(self._stack)]
        return self._tables


class _UnknownError(Exception):
    """The kernel does not know what a part does."""


def call_of(stack: Stack) -> DecoderCall | None:
    """The stack as one call; None where the kernel does not know what it does."""
    try:
        return DecoderCall(stack, _program(stack))
    except _UnknownError:
        return None


def _program(stack: Stack) -> native.DecoderProgram:
    spec, turns = stack.spec, (stack.spec.attention.rotary, stack.spec.local_rotary)
    _know(
        spec.causal
        and spec.placement in ("pre", "sandwich")
        and not (spec.cross or spec.alibi or spec.relative)
        and spec.feed_forward.activation in native.INNER
        and _ways(stack) in ([], sorted(set(stack.kinds)))
        # Those of "dynamic" differ from step to step.
        and not any(turn and turn.scaling == "dynamic" for turn in turns)
        and not is_watched(stack)
    )
    layers: list[Any] = list(stack.layers) * (spec.depth if spec.shared else 1)
    attention = layers[0].attention.block
    return native.DecoderProgram(
        [_block(stack, *pair) for pair in zip(layers, stack.kinds, strict=True)],
        _norm(stack.norm),
        heads=attention.num_heads,
        kv_heads=attention.num_kv_heads,
        head_width=attention.head_width,
        activation=spec.feed_forward.activation,
        gated=spec.feed_forward.gated,
        scale=attention.scale,
        softcap=attention.softcap or 0.0,
    )


def _know(known: bool) -> None:
    if not known:
        raise _UnknownError


def _ways(stack: Stack) -> list[str]:
    """The kinds of layers that turn queries and keys."""
    return sorted(stack.rotary)


def _block(stack: Stack, layer: Any, kind: str) -> native.DecoderBlock:
    two = layer.attention, layer.feed_forward
    _know(type(layer) is Layer and all(type(residual) is Residual for residual in two))
    attention, inner = (residual.block for residual in two)
    _know(type(attention) is Attention and type(inner) is FeedForward)
    before, after = ([_norm(getattr(r, at)) for r in two] for at in ("before", "after"))
    maps = attention.query_key_value, attention.output, inner.input, inner.output
    ways = _ways(stack)
    return native.DecoderBlock(
        [_map(each) for each in maps],
        before=(before[0], before[1]),
        after=(after[0], after[1]),
        query=_norm(attention.query_norm),
        key=_norm(attention.key_norm),
        window=stack.spec.window or 0 if kind == "local" else 0,
        turning=ways.index(kind) if ways else 0,
    )


def _map(module: Any) -> native.HeldMap:
    bias = module.bias if hasattr(module, "bias") else None
    if type(module) in (Linear, FusedLinear):
        held, worth = module.weight, None
        _know(held.dtype in _ROWS)
    elif type(module) is Int8Linear:
        held, worth = module.weight, module.scales
    else:
        _know(type(module) is Int4Linear)
        held, worth = module.packed, module.grid
    _know(held.is_cpu and held.is_contiguous() and type(held) in (Tensor, nn.Parameter))
    return native.HeldMap(held, worth, _wide(bias), module.out_features, module.in_features)


def _norm(module: Any) -> native.HeldNorm:
    if type(module) is nn.Identity:
        return native.HeldNorm()
    if type(module) is RMSNorm:
        return native.HeldNorm(_wide(module.weight), None, module.epsilon, module.offset)
    _know(type(module) is LayerNorm)
    bias = torch.zeros_like(module.weight) if module.bias is None else module.bias
    return native.HeldNorm(_wide(module.weight), _wide(bias), module.eps)


def _wide(small: Tensor | None) -> Tensor | None:
    """A vector in fp32, which costs nothing beside the weights."""
    if small is None:
        return None
    _know(small.is_cpu and small.dtype in _ROWS)
    return small.detach().float().contiguous()
