"""Norms: what keeps the scale of activations."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mason.layers import native
from mason.layers.registry import norms
from mason.layers.specs import NormSpec


@norms.register("layer")
class LayerNorm(nn.LayerNorm):
    """Layer normalisation (Ba et al. 2016)."""

    def __init__(self, spec: NormSpec, width: int) -> None:
        super().__init__(width, eps=spec.epsilon, bias=spec.bias)


@norms.register("rms")
class RMSNorm(nn.Module):
    """Root-mean-square normalisation (Zhang & Sennrich 2019), computed in fp32."""

    def __init__(self, spec: NormSpec, width: int) -> None:
        super().__init__()
        self.epsilon = spec.epsilon
        self.offset = 1.0 if spec.unit_offset else 0.0
        self.weight = nn.Parameter(torch.full((width,), 1.0 - self.offset))

    def forward(self, x: Float[Tensor, "... D"]) -> Float[Tensor, "... D"]:
        """Divide each row by its root mean square, then scale."""
        if native.few(x) and self.weight.dtype is x.dtype:
            return native.norm(x, self.weight, self.epsilon, self.offset)
        if x.requires_grad and x.dtype is torch.float32 is self.weight.dtype:
            learned: Tensor = _RootMeanSquare.apply(x, self.weight, self.epsilon, self.offset)  # type: ignore[no-untyped-call]
            return learned
        wide = x.float()
        wide = wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + self.epsilon)
        if self.offset:
            return (wide * (self.offset + self.weight.float())).to(x.dtype)
        return self.weight * wide.to(x.dtype)


class _RootMeanSquare(torch.autograd.Function):
    """``RMSNorm``'s plain lines; half the passes over memory on the way back."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, epsilon: float, offset: float) -> Tensor:
        scale = torch.rsqrt(x.square().mean(-1, keepdim=True) + epsilon)
        ctx.save_for_backward(x, weight, scale)
        ctx.offset = offset
        return (x * scale).mul_(weight + offset if offset else weight)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, scale = ctx.saved_tensors
        (grad,) = grads
        of_weight = None
        if ctx.needs_input_grad[1]:
            of_weight = (grad * x).mul_(scale).flatten(0, -2).sum(0)
        slope = grad * (weight + ctx.offset if ctx.offset else weight)
        along = (slope * x).mean(-1, keepdim=True) * scale.pow(3)
        return slope.mul_(scale).sub_(x * along), of_weight, None, None


def build_norm(spec: NormSpec | None, width: int) -> nn.Module:
    """The norm a spec asks for; an absent one is the identity."""
    if spec is None:
        return nn.Identity()
    module: nn.Module = norms.build(spec.kind, spec, width)
    return module
