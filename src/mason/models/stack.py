"""An encoder or a decoder: embedding, layers, last norm."""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from mason.layers import (
    Alibi,
    AttentionPlan,
    Cache,
    Dropout,
    Layout,
    RelativeBias,
    Rotary,
    RotarySpec,
    Sight,
    StackSpec,
    build_norm,
    embeddings,
    native,
)
from mason.layers.adapters import Before, Fronts, KeysValues, order_of
from mason.models.encoder_calls import EncoderCall
from mason.models.layer import Layer
from mason.models.packed import Packed

Look = Callable[[int, Tensor], None]
"""Called with a layer's number and its rows, for whoever wants to watch."""


class Stack(nn.Module):
    """Token ids of flat rows to hidden states [T, D].

    Args:
        spec: What the stack is made of.
        width: D.
    """

    def __init__(self, spec: StackSpec, width: int) -> None:
        super().__init__()
        self.spec = spec
        self.recompute = False
        """Whether the backward pass computes each layer again instead of remembering it
        (Chen et al. 2016): a third more work, and one layer's activations at a time."""
        self.program: native.EncoderProgram | None = None
        """All layers as one call of a kernel, where they are held in 8 bits."""
        self._call = EncoderCall()
        self.embedding = embeddings.build(spec.embedding.kind, spec.embedding, width)
        self.kinds = spec.pattern or ("full",) * spec.depth
        distinct = 1 if spec.shared else spec.depth
        self.layers = nn.ModuleList(
            Layer(spec, width, first_norm=spec.first_norm or i > 0) for i in range(distinct)
        )
        self.relative = _relative(spec)
        head_width = spec.attention.head_width_in(width)
        turns = {kind: _turns(spec, kind) for kind in sorted(set(self.kinds))}
        self.rotary = nn.ModuleDict({k: Rotary(r, head_width) for k, r in turns.items() if r})
        self.norm = build_norm(spec.norm if spec.final_norm else None, width)
        self.dropout = Dropout(spec.final_dropout, usual=False)
        self.fronts: Fronts | None = None
        """Virtual tokens before every text, where an adapter is of such a kind."""

    def train(self, mode: bool = True) -> "Stack":
        """See ``torch``; a copy of the weights that may change now is forgotten."""
        if mode:
            self._call.forget()
        return super().train(mode)

    def forward(
        self,
        packed: Packed,
        *,
        source: Float[Tensor, "S D"] | None = None,
        source_layout: Layout | None = None,
        cache: Cache | None = None,
        cross_cache: Cache | None = None,
        look: Look | None = None,
        at: Int[Tensor, "R"] | None = None,
    ) -> Float[Tensor, "R D"]:
        """Hidden states of every token, or of those asked for.

        Args:
            packed: The tokens.
            source: The encoder's hidden states, for a stack that crosses; None once
                ``cross_cache`` holds their keys and values.
            source_layout: Where the source's sequences lie.
            cache: Self-attention keys and values of earlier tokens; grows.
            cross_cache: Keys and values of the source.
            look: Called with 0 and the embedded rows, then with each layer's number
                from 1 and its rows.
            at: Rows to give; None: all. The last layer's feed-forward is spared the others.
        """
        layout, keys, before = self._places(packed, cache)
        x = self.embedding(packed.tokens, layout, packed.token_types)
        if look:
            look(0, x)
        program = None if look is not None or cache is not None else self._program(x)
        if program is not None:
            return self._at_once(program, x, layout, at)
        plan = AttentionPlan(layout, keys)
        x = self._layers(x, plan, before, source, source_layout, cache, cross_cache, look, at)
        out: Tensor = self.dropout(self.norm(x))
        return out

    def _places(
        self, packed: Packed, cache: Cache | None
    ) -> tuple[Layout, Layout, list[Before] | None]:
        """Where the rows lie, where those that they look at do, and virtual ones among these."""
        front = self.fronts.chosen if self.fronts is not None else None
        device, lengths = packed.tokens.device, packed.lengths
        past = [0] * len(lengths) if cache is None else cache.past
        if front is None or all(past):
            if cache is None:
                return packed.layout, packed.layout, None
            return *cache.advance(lengths, device), None
        virtual = [0 if done else front.num_rows for done in past]
        longer = [a + b for a, b in zip(virtual, lengths, strict=True)]
        order = order_of(virtual, lengths, front.num_rows).to(device)
        before = [Before(k, v, order) for k, v in front.keys_values(self.remembered)]
        own = Layout(
            lengths, device=device, past=[a + b for a, b in zip(past, virtual, strict=True)]
        )
        keys = Layout(longer, device=device) if cache is None else cache.advance(longer, device)[1]
        return own, keys, before

    def remembered(self, vectors: Float[Tensor, "V E"]) -> KeysValues:
        """Keys and values that the layers keep of embedded rows, one text of them."""
        cache = Cache(len(self.kinds), 1, len(vectors))
        layout, keys = cache.advance([len(vectors)], vectors.device)
        x = self.embedding.placed(vectors, layout)
        self._layers(x, AttentionPlan(layout, keys), None, cache=cache)
        places = (layer.places(None) for layer in cache.layers)
        return [(key[0], value[0]) for key, value in places]

    def _layers(
        self,
        x: Float[Tensor, "T D"],
        plan: AttentionPlan,
        before: list[Before] | None,
        source: Float[Tensor, "S D"] | None = None,
        source_layout: Layout | None = None,
        cache: Cache | None = None,
        cross_cache: Cache | None = None,
        look: Look | None = None,
        at: Int[Tensor, "R"] | None = None,
    ) -> Float[Tensor, "R D"]:
        """All layers on; see ``forward``."""
        layout, dtype = plan.queries, _score_dtype(x)
        if x.is_cpu and self.spec.placement == "post":
            x = x.to(dtype)  # normed after every sum, rows need not be wide: half the traffic
        biases = {k: plan.biases(self._sight(k), self.relative, dtype) for k in set(self.kinds)}
        angles = {kind: rotary(layout) for kind, rotary in self.rotary.items()}
        crossing = AttentionPlan(layout, source_layout) if source_layout is not None else None
        unhidden = crossing.biases(Sight(), None, dtype) if crossing else []
        for i, kind in enumerate(self.kinds):
            layer = self.layers[0 if self.spec.shared else i]
            attend: dict[str, Any] = {
                "plan": plan,
                "biases": biases[kind],
                "angles": angles.get(kind),
                "cache": cache.layers[i] if cache else None,
            }
            if before is not None:
                attend["before"] = before[i]
            cross = {
                "plan": crossing,
                "biases": unhidden,
                "source": source,
                "cache": cross_cache.layers[i] if cross_cache else None,
            }
            rows = at if i + 1 == len(self.kinds) else None
            x = self._through(layer, x, attend, cross, rows)
            if look:
                look(i + 1, x)
        return x

    def _program(self, x: Tensor) -> native.EncoderProgram | None:
        """All layers as one call, for rows such as these."""
        if self.program is not None:
            return self.program if native.multiplies_int8_dynamic(x) else None
        return self._call.program(self, x)

    def _at_once(
        self,
        program: native.EncoderProgram,
        x: Float[Tensor, "T D"],
        layout: Layout,
        at: Int[Tensor, "R"] | None,
    ) -> Float[Tensor, "R D"]:
        """All layers; the last is spared the rows that are not asked for, where that is easy."""
        wanted = None
        if at is layout.first:
            wanted = [0] * len(layout)
        elif at is layout.last:
            wanted = [n - 1 for n in layout.lengths]
        rows = program.run(x.float(), layout.lengths, wanted).to(x.dtype)
        return rows if at is None or wanted is not None else rows.index_select(0, at)

    def _through(self, layer: nn.Module, *given: Any) -> Tensor:
        """One layer on; its activations are kept, or computed again when they are needed."""
        if self.recompute and torch.is_grad_enabled():
            return checkpoint(layer, *given, use_reentrant=False)  # type: ignore[no-any-return]
        out: Tensor = layer(*given)
        return out

    def _sight(self, kind: str) -> Sight:
        return Sight(self.spec.causal, self.spec.window if kind == "local" else None)


def _score_dtype(x: Tensor) -> torch.dtype:
    """The dtype scores will have, so that what is added to them has it already."""
    device = x.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else x.dtype


def _relative(spec: StackSpec) -> nn.Module | None:
    heads = spec.attention.num_heads
    if spec.relative is not None:
        return RelativeBias(spec.relative, heads, causal=spec.causal)
    return Alibi(heads) if spec.alibi else None


def _turns(spec: StackSpec, kind: str) -> RotarySpec | None:
    local = spec.local_rotary if kind == "local" else None
    return local or spec.attention.rotary
