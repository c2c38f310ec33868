"""The feed-forward block: where most of a Transformer's weights are."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from mason.layers import native
from mason.layers.activations import activation
from mason.layers.dropout import Dropout
from mason.layers.linear import FusedLinear, Linear
from mason.layers.registry import feed_forwards
from mason.layers.specs import FeedForwardSpec


@feed_forwards.register("feed_forward")
class FeedForward(nn.Module):
    """``output(act(input(x)))``, or ``output(act(gate(x)) * up(x))`` when gated."""

    def __init__(self, spec: FeedForwardSpec, width: int) -> None:
        super().__init__()
        names = ("gate", "up") if spec.gated else ("up",)
        self.input = FusedLinear(width, dict.fromkeys(names, spec.width), bias=spec.bias)
        self.output = Linear(spec.width, width, bias=spec.bias)
        self.activation, self.activation_name = activation(spec.activation), spec.activation
        self.gated = spec.gated
        self.silu_gate = spec.gated and spec.activation == "silu"
        self.dropout = Dropout(spec.dropout, usual=False)  # T5 drops here, BERT and GPT-2 do not

    def forward(self, x: Float[Tensor, "T D"]) -> Float[Tensor, "T D"]:
        """Each row on its own."""
        wide = self.input(x)
        if self.silu_gate and native.few(wide):
            return self._ended(native.gate(wide))
        if native.has_activation(wide, self.activation_name):
            return self._ended(_CompiledActivation.apply(wide, self.activation_name, self.gated))  # type: ignore[no-untyped-call]
        if self.silu_gate and wide.requires_grad:
            return self._ended(_Gate.apply(wide))  # type: ignore[no-untyped-call]
        first, *up = self.input.split(wide)
        inner = self.activation(first)
        if up:
            inner = inner * up[0]
        return self._ended(inner)

    def _ended(self, inner: Tensor) -> Tensor:
        out: Tensor = self.output(self.dropout(inner))
        return out


class _CompiledActivation(torch.autograd.Function):
    """An activation, gated or not, by the compiled kernel; remembers what it reads."""

    @staticmethod
    def forward(ctx: Any, wide: Tensor, activation: str, gated: bool) -> Tensor:
        ctx.save_for_backward(wide)
        ctx.told = activation, gated
        return native.activation_forward(wide, activation, gated)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        return native.activation_backward(grads[0], *ctx.saved_tensors, *ctx.told), None, None


class _Gate(torch.autograd.Function):
    """``silu(gate) * up`` that remembers what it reads and nothing else, a third less."""

    @staticmethod
    def forward(ctx: Any, wide: Tensor) -> Tensor:
        ctx.save_for_backward(wide)
        gate, up = wide.chunk(2, -1)
        return nn.functional.silu(gate).mul_(up)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        (wide,), (grad,) = ctx.saved_tensors, grads
        gate, up = wide.chunk(2, -1)
        of_wide: Tensor = wide.new_empty(wide.shape)
        of_gate, of_up = of_wide.chunk(2, -1)
        torch.mul(grad, nn.functional.silu(gate), out=of_up)
        of_gate.copy_(torch.ops.aten.silu_backward(grad * up, gate))
        return of_wide
