"""An encoder that is only read as one call of a kernel, where the kernel knows its layers.

In 8 bits the program belongs to the weights, which learn no more. In bf16, where the processor
multiplies tiles, it holds the weights once more as tiles read them: it is made when the encoder is
first read and again when a part of it changed. Rows are fp32 from layer to layer, so that it rounds
less than the modules do.
"""

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.modules import module as of_modules

from mason.layers import (
    Attention,
    FeedForward,
    Int8DynamicLinear,
    LayerNorm,
    Linear,
    Residual,
    StackSpec,
    native,
)
from mason.layers.linear import FusedLinear
from mason.models.layer import Layer

if TYPE_CHECKING:
    from mason.models.stack import Stack


class EncoderCall:
    """A stack in bf16 as one call, for as long as nothing of it changes."""

    def __init__(self) -> None:
        self._made_of: Hashable = None
        self._program: native.EncoderProgram | None = None

    def __getstate__(self) -> dict[str, None]:
        """A copy belongs to other weights."""
        return {"_made_of": None, "_program": None}

    def forget(self) -> None:
        """Let go of what was made of weights that may change."""
        self._made_of = self._program = None

    def program(self, stack: "Stack", x: Tensor) -> native.EncoderProgram | None:
        """What computes rows such as ``x``; None: the modules do."""
        fronts = stack.fronts is not None and stack.fronts.chosen is not None
        if stack.training or fronts or not native.reads_halves(x) or not _is_known(stack.spec):
            return None
        made_of = _parts(stack)
        if made_of != self._made_of:
            watched = is_watched(stack)
            self._made_of = made_of
            self._program = None if watched else program_of(stack, native.Packed16)
        return self._program


def _parts(stack: "Stack") -> Hashable:
    """What a program was made of: no module, no tensor and no number in one may change."""
    tensors = [(p.data_ptr(), -1 if p.is_inference() else p._version) for p in stack.parameters()]
    return tuple(map(id, stack.modules())), tuple(tensors), is_watched(stack)


def is_watched(stack: "Stack") -> bool:
    """Whether somebody looks at what goes through a module."""
    anywhere = of_modules._global_forward_hooks or of_modules._global_forward_pre_hooks
    return bool(anywhere) or any(
        part._forward_hooks or part._forward_pre_hooks for part in stack.modules()
    )


def _is_known(spec: StackSpec) -> bool:
    attention, inner = spec.attention, spec.feed_forward
    return (
        spec.placement == "post"
        and not (spec.causal or spec.cross or spec.final_norm or spec.alibi or spec.pattern)
        and spec.relative is None
        and attention.rotary is None
        and attention.softcap is None
        and attention.query_key_norm is None
        and attention.num_kv_heads in (None, attention.num_heads)
        and not inner.gated
        and inner.activation in native.ACTIVATIONS
    )


def program_of(
    stack: "Stack", kind: type[native.Packed8] | type[native.Packed16]
) -> native.EncoderProgram | None:
    """The stack as one call; None where the kernels do not know what it does.

    Args:
        stack: An encoder.
        kind: What all its weights are: in 8 bits, or in bf16 for a processor with tiles.
    """
    spec = stack.spec
    if not (_is_known(spec) and type(stack.norm) is nn.Identity):
        return None
    blocks = [block for layer in stack.layers if (block := _block(layer, kind)) is not None]
    if len(blocks) < len(stack.layers):
        return None
    layers: list[Any] = list(stack.layers)
    first = layers[0].attention.block
    return native.EncoderProgram(
        [blocks[0 if spec.shared else i] for i in range(spec.depth)],
        heads=first.num_heads,
        head_width=first.head_width,
        activation=spec.feed_forward.activation,
        epsilon=spec.norm.epsilon,
        scale=first.scale,
    )


def _block(layer: Any, kind: type[native.Packed8] | type[native.Packed16]) -> native.Block8 | None:
    """A layer's weights; None where a part of it is a user's own."""
    if type(layer) is not Layer or not all(
        type(part) is Residual
        and type(part.before) is type(part.after) is nn.Identity
        and type(part.outside) is LayerNorm
        for part in (layer.attention, layer.feed_forward)
    ):
        return None
    attention, inner = layer.attention.block, layer.feed_forward.block
    if type(attention) is not Attention or type(inner) is not FeedForward:
        return None
    maps = attention.query_key_value, attention.output, inner.input, inner.output
    fused, output, up, down = map(_weights, maps)
    if not (
        isinstance(fused, kind)
        and isinstance(output, kind)
        and isinstance(up, kind)
        and isinstance(down, kind)
    ):
        return None
    rows: list[Tensor] = []
    norms: list[Any] = [layer.attention.outside, layer.feed_forward.outside]
    for norm in norms:
        bias = torch.zeros_like(norm.weight) if norm.bias is None else norm.bias
        rows += [norm.weight.detach(), bias.detach()]
    return native.Block8(fused, output, up, down, torch.stack(rows).float())


def _weights(linear: Any) -> native.Packed8 | native.Packed16 | None:
    """Of a map in 8 bits or bf16; None for any other."""
    if type(linear) is Int8DynamicLinear:
        return linear.packed
    if type(linear) not in (Linear, FusedLinear) or linear.weight.dtype is not torch.bfloat16:
        return None
    return native.Packed16.of(linear.weight, linear.bias)
