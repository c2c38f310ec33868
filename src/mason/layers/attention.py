"""Attention, opened by the five lines that every other path is tested against."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from mason.layers import flat, native, short_attention
from mason.layers.adapters.fronts import Before
from mason.layers.caches import LayerCache
from mason.layers.dropout import drop
from mason.layers.linear import FusedLinear, Linear
from mason.layers.norms import build_norm
from mason.layers.plan import AttentionPlan, Reach
from mason.layers.positions import rotate
from mason.layers.registry import attentions
from mason.layers.specs import AttentionSpec

Angles = tuple[Tensor, Tensor]
_FEW, _DENSE = 96, torch.contiguous_format
"""Keys up to which a CPU mixes in fp32 whatever the products are in."""


def reference_attention(
    query: Float[Tensor, "*b Q d"],
    key: Float[Tensor, "*b K d"],
    value: Float[Tensor, "*b K v"],
    mask: Bool[Tensor, "*b Q K"] | None = None,
) -> Float[Tensor, "*b Q v"]:
    """softmax(QKᵀ / √d_k) V of *Attention Is All You Need*; mask True = attend."""
    scores = query @ key.transpose(-2, -1) / query.shape[-1] ** 0.5
    if mask is not None:
        scores = scores.masked_fill(~mask, -torch.inf)
    weights = torch.softmax(scores, dim=-1)
    return weights @ value


@attentions.register("multi_head")
class Attention(nn.Module):
    """Multi-head, grouped-query or multi-query attention over flat rows.

    Args:
        spec: Heads, biases, scale and the rest.
        width: Width of the rows.
        cross: Whether keys and values come from other rows (the encoder's).
    """

    def __init__(self, spec: AttentionSpec, width: int, *, cross: bool = False) -> None:
        super().__init__()
        self.num_heads = spec.num_heads
        self.num_kv_heads = spec.num_kv_heads or spec.num_heads
        self.head_width = spec.head_width_in(width)
        base = spec.scale_base or self.head_width
        self.scale = spec.scale if spec.scale is not None else base**-0.5
        self.softcap, self.dropout = spec.softcap, spec.dropout
        inner, shared = self.num_heads * self.head_width, self.num_kv_heads * self.head_width
        sources = {"key": shared, "value": shared}
        if cross:
            self.query = Linear(width, inner, bias=spec.bias)
            self.key_value = FusedLinear(width, sources, bias=spec.bias)
        else:
            self.query_key_value = FusedLinear(width, {"query": inner} | sources, bias=spec.bias)
        self.cross = cross
        self.query_norm = build_norm(spec.query_key_norm, self.head_width)
        self.key_norm = build_norm(spec.query_key_norm, self.head_width)
        self.output = Linear(inner, width, bias=spec.output_bias)

    def forward(
        self,
        x: Float[Tensor, "T D"],
        plan: AttentionPlan,
        biases: Sequence[Tensor | None],
        *,
        source: Float[Tensor, "S D"] | None = None,
        angles: Angles | None = None,
        cache: LayerCache | None = None,
        before: Before | None = None,
    ) -> Float[Tensor, "T D"]:
        """Rows ``x`` attend to themselves, or to ``source`` in cross-attention.

        Args:
            x: Flat rows of all sequences.
            plan: Which rows meet.
            biases: For each group of the plan, what to add to the scores, or None.
            source: Rows of the encoder; None for self-attention or when cached.
            angles: Cosine and sine of each row's rotary angles.
            cache: Keys and values of earlier rows; the new ones are added to it.
            before: Virtual rows that stand before texts which begin here.
        """
        query, key, value = self._project(x, source)
        query = self.query_norm(query)
        if key is not None:
            key = self.key_norm(key)
        if before is None and cache is not None and self._looks_back(query, biases, cache):
            assert isinstance(biases, Reach)
            new = None if key is None or value is None else (key, value)
            return self._look_back(query, new, biases, cache, angles)
        if before is None and cache is None:
            assert key is not None and value is not None, "cross-attention needs a source"
            mixed = self._attend_whole(query, key, value, plan, biases, angles)
            return self.output(mixed.flatten(1))  # type: ignore[no-any-return]
        if angles is not None:
            query = rotate(query, *angles)
            key = rotate(key, *angles) if key is not None else None
        if before is not None and key is not None and value is not None:
            key, value = before.joined(key, value)
        if cache is not None:
            key, value = cache.extend(key, value)
        assert key is not None and value is not None, "cross-attention needs a source or a cache"
        mixed = self._attend(query, key, value, plan, biases)
        out: Tensor = self.output(mixed.flatten(1))
        return out

    def shares(
        self,
        x: Float[Tensor, "T D"],
        plan: AttentionPlan,
        biases: Sequence[Tensor | None],
        *,
        source: Float[Tensor, "S D"] | None = None,
        angles: Angles | None = None,
    ) -> list[Float[Tensor, "_ h _ _"]]:
        """The weights by which ``forward`` mixes values, which its kernels never hold.

        Args:
            x: See ``forward``, like the others.
            plan: Which rows meet.
            biases: What is added to the scores.
            source: Rows of the encoder.
            angles: Cosine and sine of each row's rotary angles.

        Returns:
            For each group of the plan [sequences, heads, queries, keys], in its slots.
        """
        query, key, _ = self._project(x, source)
        assert key is not None, "what is looked at is not in a cache"
        query, key = self.query_norm(query), self.key_norm(key)
        if angles is not None:
            query, key = rotate(query, *angles), rotate(key, *angles)
        each = self.num_heads // self.num_kv_heads
        laid = zip(biases, plan.query_slots.lay(query), plan.key_slots.lay(key), strict=True)
        return [
            self._shares(q.transpose(1, 2), k.transpose(1, 2).repeat_interleave(each, dim=1), bias)
            for bias, q, k in laid
        ]

    def _looks_back(self, query: Tensor, reach: Sequence[Tensor | None], cache: LayerCache) -> bool:
        """Whether the compiled kernel takes it: few rows, and nothing is added to scores."""
        if not isinstance(reach, Reach) or not cache.in_place:
            return False
        few = native.FEW * query[0].numel()
        return query.numel() <= few and reach.bias is None and native.serves(query[:0])

    def _look_back(
        self,
        query: Float[Tensor, "T h d"],
        new: tuple[Tensor, Tensor] | None,
        reach: Reach,
        cache: LayerCache,
        angles: Angles | None,
    ) -> Float[Tensor, "T D"]:
        if self.cross and new is not None:
            # The source's rows, not the queries': they are stored once, before the first step.
            cache.extend(*new)
            new = None
        mixed = native.attend(
            query,
            new,
            cache.places(new),
            reach.places,
            reach.ends,
            angles=angles,
            scale=self.scale,
            softcap=self.softcap,
            window=reach.sight.window,
        )
        out: Tensor = self.output(mixed.flatten(1))
        return out

    def _project(
        self, x: Tensor, source: Tensor | None
    ) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Query, key and value [rows, heads, head_width]; no keys where the cache has them."""
        shape = (self.num_heads, self.head_width)
        shared = (self.num_kv_heads, self.head_width)
        if not self.cross:
            query, key, value = self.query_key_value.split(self.query_key_value(x))
        elif source is not None:
            query = self.query(x)
            key, value = self.key_value.split(self.key_value(source))
        else:
            return self.query(x).unflatten(-1, shape), None, None
        return query.unflatten(-1, shape), key.unflatten(-1, shared), value.unflatten(-1, shared)

    def _attend_whole(
        self,
        query: Float[Tensor, "T h d"],
        key: Float[Tensor, "S g d"],
        value: Float[Tensor, "S g d"],
        plan: AttentionPlan,
        biases: Sequence[Tensor | None],
        angles: Angles | None,
    ) -> Float[Tensor, "T h d"]:
        """Nothing came before these rows, so that one kernel may take all sequences."""
        dropping = self.dropout if self.training else 0.0
        served = self._is_even(biases) and flat.serves(query, key, value, plan, dropping)
        within = angles if served and flat.turns(query, angles) else None
        if angles is not None and within is None:
            query, key = rotate(query, *angles), rotate(key, *angles)
        if not served:
            return self._attend(query, key, value, plan, biases)
        assert isinstance(biases, Reach)
        sight, scale = biases.sight, self.scale
        return flat.attend(
            query, key, value, plan, sight, scale=scale, angles=within, dropping=dropping
        )

    def _is_even(self, reach: Sequence[Tensor | None]) -> bool:
        """Whether nothing is added to scores, and they are not squashed."""
        return isinstance(reach, Reach) and reach.bias is None and self.softcap is None

    def _attend(
        self,
        query: Float[Tensor, "T h d"],
        key: Float[Tensor, "*s g d"],
        value: Float[Tensor, "*s g d"],
        plan: AttentionPlan,
        biases: Sequence[Tensor | None],
    ) -> Float[Tensor, "T h d"]:
        laid = plan.query_slots.lay(query), plan.key_slots.lay(key), plan.key_slots.lay(value)
        mixed = []
        for bias, *group in zip(biases, *laid, strict=True):
            q, k, v = (x.transpose(1, 2) for x in group)
            mixed.append(self.weigh(q, k, v, bias).transpose(1, 2))
        return plan.query_slots.pick_up(mixed)

    def weigh(
        self,
        query: Float[Tensor, "B h Q d"],
        key: Float[Tensor, "B g K d"],
        value: Float[Tensor, "B g K d"],
        bias: Float[Tensor, "#B #h #Q K"] | None,
    ) -> Float[Tensor, "B h Q d"]:
        """Mix values by how well keys match queries; g key heads serve h query heads."""
        shared = self.num_heads // self.num_kv_heads
        if shared > 1 and query.shape[2] == 1:
            return self._weigh_one(query, key, value, bias)
        if self._is_plain(bias) and short_attention.serves(query, key):
            return short_attention.short_attention(query, key, value, bias, self.scale)
        if shared > 1:
            key, value = (x.repeat_interleave(shared, dim=1) for x in (key, value))
        return self._mix(query, key, value, bias)

    def _weigh_one(
        self, query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None
    ) -> Float[Tensor, "B h 1 d"]:
        """A query of each head: those that share a key head are its rows, and no key is copied."""
        groups = (self.num_kv_heads, -1)
        if bias is not None and bias.shape[1] > 1:
            bias = bias[:, :, 0].unflatten(1, groups)
        return self._mix(query[:, :, 0].unflatten(1, groups), key, value, bias).reshape(query.shape)

    def _mix(
        self,
        query: Float[Tensor, "B h Q d"],
        key: Float[Tensor, "B h K d"],
        value: Float[Tensor, "B h K d"],
        bias: Float[Tensor, "#B #h #Q K"] | None,
    ) -> Float[Tensor, "B h Q d"]:
        dropping = self.dropout if self.training else 0.0
        # PyTorch's fused kernels hold no scores. On the CPU they do not drop.
        if self._is_plain(bias) or (query.is_cuda and self._is_plain(bias, dropping=True)):
            bias = None if bias is None else bias.to(query.dtype)
            return F.scaled_dot_product_attention(
                query, key, value.to(query.dtype), bias, dropping, scale=self.scale
            )
        if query.is_cpu and key.shape[2] <= _FEW and query.dtype.itemsize < 4:
            # Small products in bf16 are compiled for each new shape and gain nothing after it.
            with torch.autocast("cpu", enabled=False):
                q, k, v = (x.to(torch.float32, memory_format=_DENSE) for x in (query, key, value))
                return self._weighted(q, k, v, bias, dropping).to(query.dtype)
        return self._weighted(query, key, value, bias, dropping)

    def _is_plain(self, bias: Tensor | None, *, dropping: bool = False) -> bool:
        """Whether fused kernels know how: they do not squash, learn a bias, or perhaps drop."""
        drops = self.training and bool(self.dropout) and not dropping
        learned = bias is not None and bias.requires_grad
        return self.softcap is None and not learned and not drops

    def _weighted(
        self, query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None, dropping: float
    ) -> Float[Tensor, "B h Q d"]:
        """The five lines, and what some models add to them."""
        weights = self._shares(query, key, bias).to(value.dtype)
        if dropping:
            weights = drop(weights, dropping)
        return torch.matmul(weights, value)

    def _shares(self, query: Tensor, key: Tensor, bias: Tensor | None) -> Float[Tensor, "B h Q K"]:
        scores = torch.matmul(query * self.scale, key.transpose(-2, -1))
        if self.softcap is not None:
            scores = self.softcap * torch.tanh(scores / self.softcap)
        if bias is not None:
            scores = scores + bias.to(scores.dtype)
        return torch.softmax(scores, dim=-1)
