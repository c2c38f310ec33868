"""Attention over flat rows in one kernel call, where the device has one.

Nothing is laid out in groups there: the kernel takes the offsets of the layouts as they are. On
CUDA it is PyTorch's, in half precision; on processors with tiles of bf16 it is ours, which also
turns queries and keys by their angles and drops weights, so that neither is kept.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from mason.layers import native
from mason.layers.dropout import draw_seed, dropped_of_256
from mason.layers.layout import Layout, Stored
from mason.layers.plan import AttentionPlan, Sight

Angles = tuple[Tensor, Tensor]
_WIDEST = 256
"""Of a head, in the flash kernels that stand behind it; widths go by eights."""


def serves(
    query: Float[Tensor, "T h d"],
    key: Float[Tensor, "S g d"],
    value: Float[Tensor, "S g d"],
    plan: AttentionPlan,
    dropping: float,
) -> bool:
    """Whether a kernel takes these rows: no cache is behind them, and it can drop if it has to."""
    if not (_whole(plan.queries) and _whole(plan.keys)):
        return False
    if native.has_varlen_attention(query, key, value):
        return True
    width = query.shape[-1]
    return (
        query.is_cuda
        and not dropping
        and query.dtype in (torch.bfloat16, torch.float16)
        and width == value.shape[-1]
        and width <= _WIDEST
        and width % 8 == 0
    )


def turns(query: Float[Tensor, "T h d"], angles: Angles | None) -> bool:
    """Whether ``attend`` turns the rows by these angles itself."""
    return angles is not None and query.is_cpu and angles[0].shape[-1] == query.shape[-1]


def attend(
    query: Float[Tensor, "T h d"],
    key: Float[Tensor, "S g d"],
    value: Float[Tensor, "S g d"],
    plan: AttentionPlan,
    sight: Sight,
    *,
    scale: float,
    angles: Angles | None = None,
    dropping: float = 0.0,
) -> Float[Tensor, "T h d"]:
    """Mix values by how well keys match queries, each sequence with its own.

    Args:
        query: Rows of all sequences, h heads.
        key: Rows that are looked at; g heads, each for h / g of the query's.
        value: What is mixed.
        plan: Where the sequences lie.
        sight: Which keys a query sees.
        scale: Of the scores.
        angles: By which queries and keys are to be turned, where ``turns`` says so.
        dropping: Share of the weights that is dropped.
    """
    if native.has_varlen_attention(query, key, value):
        limit, seed = (dropped_of_256(dropping), draw_seed()) if dropping else (0, 0)
        told = native.VarlenPlan(
            plan.queries, plan.keys, sight.causal, sight.window, scale, angles, limit, seed
        )
        mixed: Tensor = _CompiledAttention.apply(query, key, value, told)  # type: ignore[no-untyped-call]
        return mixed
    return _attend_on_cuda(query, key, value, plan, sight, scale)


def _attend_on_cuda(
    query: Tensor, key: Tensor, value: Tensor, plan: AttentionPlan, sight: Sight, scale: float
) -> Float[Tensor, "T h d"]:
    from torch.nn.attention import varlen  # imports much, and only here is it of use

    near = -1 if sight.window is None else sight.window - 1
    mixed = varlen.varlen_attn(
        query,
        key.to(query.dtype),
        value.to(query.dtype),
        plan.queries.offsets.int(),
        plan.keys.offsets.int(),
        max(plan.queries.lengths),
        max(plan.keys.lengths),
        scale=scale,
        window_size=(near, 0 if sight.causal else near),
        enable_gqa=key.shape[1] != query.shape[1],
    )
    assert isinstance(mixed, Tensor)
    return mixed


class _CompiledAttention(torch.autograd.Function):
    """Remembers what came in and out, and of the weights the logarithms of their sums."""

    @staticmethod
    def forward(
        ctx: Any, query: Tensor, key: Tensor, value: Tensor, told: native.VarlenPlan
    ) -> Tensor:
        out, sums = native.varlen_attention(query, key, value, told)
        ctx.save_for_backward(query, key, value, out, sums)
        ctx.told = told
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, out, sums = ctx.saved_tensors
        (grad,) = grads
        found = native.varlen_attention_backward(grad, query, key, value, out, sums, ctx.told)
        return *found, None


def _whole(layout: Layout) -> bool:
    """Whether positions count from zero, as the kernel's do."""
    return not isinstance(layout, Stored) and not any(layout.past)
