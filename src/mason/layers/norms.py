"""Norms: what keeps the scale of activations."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from mason.layers import native
from mason.layers.registry import norms
from mason.layers.specs import NormSpec


@norms.register("layer")
class LayerNorm(nn.LayerNorm):
    """Layer normalisation (Ba et al. 2016)."""

    feeds_products = False
    """Whether products alone read what comes out, so that it may be in autocast's dtype."""

    def __init__(self, spec: NormSpec, width: int) -> None:
        super().__init__(width, eps=spec.epsilon, bias=spec.bias)

    def forward(self, input: Float[Tensor, "... D"]) -> Float[Tensor, "... D"]:
        """Take off each row's mean, divide by its deviation, scale and shift."""
        if native.trains(input, self.weight, self.bias):
            return _learned(self, input, self.weight, self.bias, True, self.eps, 0.0)
        return super().forward(input)


@norms.register("rms")
class RMSNorm(nn.Module):
    """Root-mean-square normalisation (Zhang & Sennrich 2019), computed in fp32."""

    feeds_products = False
    """See ``LayerNorm``."""

    def __init__(self, spec: NormSpec, width: int) -> None:
        super().__init__()
        self.epsilon = spec.epsilon
        self.offset = 1.0 if spec.unit_offset else 0.0
        self.weight = nn.Parameter(torch.full((width,), 1.0 - self.offset))

    def forward(self, x: Float[Tensor, "... D"]) -> Float[Tensor, "... D"]:
        """Divide each row by its root mean square, then scale."""
        if native.few(x) and self.weight.dtype is x.dtype:
            return native.norm(x, self.weight, self.epsilon, self.offset)
        if native.trains(x, self.weight):
            return _learned(self, x, self.weight, None, False, self.epsilon, self.offset)
        if x.requires_grad and x.dtype is torch.float32 is self.weight.dtype:
            learned: Tensor = _RootMeanSquare.apply(x, self.weight, self.epsilon, self.offset)  # type: ignore[no-untyped-call]
            return learned
        wide = x.float()
        wide = wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + self.epsilon)
        if self.offset:
            return (wide * (self.offset + self.weight.float())).to(x.dtype)
        return self.weight * wide.to(x.dtype)


def _learned(
    module: LayerNorm | RMSNorm,
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    centred: bool,
    epsilon: float,
    offset: float,
) -> Tensor:
    """By the compiled kernel; rounded at once where the product that reads it would round it."""
    dtype = x.dtype
    if module.feeds_products and torch.is_autocast_enabled("cpu"):
        dtype = torch.get_autocast_dtype("cpu")
    norm = native.Norm(centred, epsilon, offset, dtype)
    out: Tensor = _CompiledNorm.apply(x, weight, bias, norm)  # type: ignore[no-untyped-call]
    return out


class _CompiledNorm(torch.autograd.Function):
    """A norm that remembers its rows, and two numbers of each."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, norm: native.Norm
    ) -> Tensor:
        y, means, scales = native.norm_forward(x, weight, bias, norm)
        ctx.save_for_backward(x, weight, bias, means, scales)
        ctx.norm = norm
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, bias, means, scales = ctx.saved_tensors
        found = native.norm_backward(grads[0], x, weight, bias, means, scales, ctx.norm)
        return *found, None


class _RootMeanSquare(torch.autograd.Function):
    """``RMSNorm``'s plain lines, not compiled; half the passes over memory on the way back."""

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
        of_x = grad * (weight + ctx.offset if ctx.offset else weight)
        along = (of_x * x).mean(-1, keepdim=True) * scale.pow(3)
        return of_x.mul_(scale).sub_(x * along), of_weight, None, None


def build_norm(spec: NormSpec | None, width: int) -> nn.Module:
    """The norm a spec asks for; an absent one is the identity."""
    if spec is None:
        return nn.Identity()
    module: nn.Module = norms.build(spec.kind, spec, width)
    return module
