"""Attention over short sequences on a CPU, learned from in half precision.

PyTorch's fused kernel goes forward fast; its way back costs as much for 64 keys as for 512. Here
the scores are made again by plain products, and heads that share keys need no copies of them.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

SHORT = 256
"""Most keys for which this is the faster way back."""
_AT_ONCE = 1 << 19
"""Scores made at once: what a core's cache holds."""


def serves(query: Tensor, key: Tensor) -> bool:
    """Whether this is the fastest way: products in bf16 on a CPU, gradients, few keys."""
    half = torch.is_autocast_enabled("cpu") and torch.get_autocast_dtype("cpu") is torch.bfloat16
    return query.is_cpu and half and query.requires_grad and key.shape[2] <= SHORT


def short_attention(
    query: Float[Tensor, "B h Q d"],
    key: Float[Tensor, "B g K d"],
    value: Float[Tensor, "B g K d"],
    bias: Float[Tensor, "#B #h #Q K"] | None,
    scale: float,
) -> Float[Tensor, "B h Q d"]:
    """softmax(scale QKᵀ + bias) V in bf16; g key heads serve h query heads."""
    half = (x.to(torch.bfloat16) for x in (query, key, value))
    out: Tensor = _ShortAttention.apply(*half, bias, scale)  # type: ignore[no-untyped-call]
    return out


class _ShortAttention(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None, scale: float
    ) -> Tensor:
        shared = query.shape[1] // key.shape[1]
        wide = (key, value)
        if shared > 1:
            wide = (key.repeat_interleave(shared, 1), value.repeat_interleave(shared, 1))
        mask = None if bias is None else bias.to(query.dtype)
        fused = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
        out, lengths = fused(query, *wide, 0.0, False, attn_mask=mask, scale=scale)
        ctx.save_for_backward(query, key, value, mask, out, lengths)
        ctx.scale = scale
        return out  # type: ignore[no-any-return]

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, bias, out, lengths = ctx.saved_tensors
        (num, heads, rows, width), (_, groups, keys, _) = query.shape, key.shape
        flat = (num * groups, heads // groups * rows, width)
        q, given = query.reshape(flat) * ctx.scale, grads[0].reshape(flat)
        k, v = (x.reshape(num * groups, keys, width) for x in (key, value))
        # A row that sees nothing has weights of zero.
        sums = lengths.masked_fill(lengths == -torch.inf, 0).reshape(*flat[:2], 1)
        along = (given.float() * out.reshape(flat)).sum(-1, keepdim=True).nan_to_num_()
        if bias is not None:
            bias = bias.expand(num, heads, rows, keys).reshape(*flat[:2], keys)
        of_q, of_k, of_v = torch.empty_like(q), torch.empty_like(k), torch.empty_like(v)
        step = max(1, _AT_ONCE // (flat[1] * keys))
        for start in range(0, flat[0], step):
            now = slice(start, start + step)
            scores = torch.bmm(q[now], k[now].mT)
            if bias is not None:
                scores += bias[now]
            weights = torch.sub(scores, sums[now]).exp_()
            torch.bmm(weights.to(q.dtype).mT, given[now], out=of_v[now])
            slopes = torch.sub(torch.bmm(given[now], v[now].mT), along[now])
            slope = weights.mul_(slopes).to(q.dtype)
            torch.bmm(slope, k[now], out=of_q[now])
            torch.bmm(slope.mT, q[now], out=of_k[now])
        of_q = of_q.mul_(ctx.scale).view(query.shape)
        return of_q, of_k.view(key.shape), of_v.view(value.shape), None, None
