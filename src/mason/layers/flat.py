"""Attention over flat rows in one kernel call, where the device has one (CUDA, in half precision).

Nothing is laid out in groups there: the kernel takes the offsets of the layouts as they are.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from mason.layers.layout import Layout, Stored
from mason.layers.plan import AttentionPlan, Sight

_WIDEST = 256
"""Of a head, in the flash kernels that stand behind it; widths go by eights."""


def serves(query: Float[Tensor, "T h d"], value: Tensor, plan: AttentionPlan) -> bool:
    """Whether the kernel takes these rows: half precision on CUDA, and no cache behind them."""
    width = query.shape[-1]
    return (
        query.is_cuda
        and query.dtype in (torch.bfloat16, torch.float16)
        and width == value.shape[-1]
        and width <= _WIDEST
        and width % 8 == 0
        and _whole(plan.queries)
        and _whole(plan.keys)
    )


def attend(
    query: Float[Tensor, "T h d"],
    key: Float[Tensor, "S g d"],
    value: Float[Tensor, "S g d"],
    plan: AttentionPlan,
    sight: Sight,
    *,
    scale: float,
) -> Float[Tensor, "T h d"]:
    """Mix values by how well keys match queries, each sequence with its own.

    Args:
        query: Rows of all sequences, h heads.
        key: Rows that are looked at; g heads, each for h / g of the query's.
        value: What is mixed.
        plan: Where the sequences lie.
        sight: Which keys a query sees.
        scale: Of the scores.
    """
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


def _whole(layout: Layout) -> bool:
    """Whether positions count from zero, as the kernel's do."""
    return not isinstance(layout, Stored) and not any(layout.past)
