"""What the tests of attention compare with: sequences alone, heads and masks written out."""

from collections.abc import Callable

import torch
from torch import Tensor

from mason.layers import Attention, AttentionPlan, Layout, Sight, reference_attention

LENGTHS = (7, 2, 13, 5, 3, 11, 2)
"""Of the sequences in a batch: long and short, out of order, two alike."""

Sees = Callable[[int, int], bool]
"""Whether the query at a position sees the key at a position."""


def everything(query: int, key: int) -> bool:
    return True


def earlier(query: int, key: int) -> bool:
    return key <= query


def near(window: int) -> Sees:
    return lambda query, key: abs(query - key) < window


def near_earlier(window: int) -> Sees:
    return lambda query, key: 0 <= query - key < window


def mask_of(sees: Sees, num_queries: int, num_keys: int) -> Tensor:
    """[Q, K], True = attend, one pair after another."""
    rows = [[sees(q, k) for k in range(num_keys)] for q in range(num_queries)]
    return torch.tensor(rows)


def packed(
    attention: Attention,
    x: Tensor,
    layout: Layout,
    sight: Sight,
    *,
    bias: Callable[[Tensor], Tensor] | None = None,
    **others: object,
) -> Tensor:
    """All sequences at once, as a stack runs them."""
    keys = others.pop("keys", layout)
    assert isinstance(keys, Layout)
    plan = AttentionPlan(layout, keys)
    out: Tensor = attention(x, plan, plan.biases(sight, bias, x.dtype), **others)
    return out


def alone(
    attention: Attention,
    x: Tensor,
    mask: Tensor,
    *,
    source: Tensor | None = None,
    turn: Callable[[Tensor], Tensor] = lambda head: head,
    weigh: Callable[[int, Tensor, Tensor, Tensor, Tensor], Tensor] | None = None,
) -> Tensor:
    """One sequence through ``reference_attention``, head by head.

    Args:
        attention: Whose weights to use.
        x: Rows [Q, D].
        mask: [Q, K].
        source: Rows [K, D] that are looked at; None: ``x``.
        turn: What happens to a head's queries and keys before they meet.
        weigh: Stands in for the reference: head's number, query, key, value, mask.
    """
    parts = _projected(attention, x, x if source is None else source)
    width, shared = attention.head_width, attention.num_heads // attention.num_kv_heads
    heads = []
    for h in range(attention.num_heads):
        mine, theirs = h * width, (h // shared) * width
        query = turn(parts["query"][:, mine : mine + width])
        key = turn(parts["key"][:, theirs : theirs + width])
        value = parts["value"][:, theirs : theirs + width]
        if weigh is None:
            heads.append(reference_attention(query, key, value, mask))
        else:
            heads.append(weigh(h, query, key, value, mask))
    out: Tensor = attention.output(torch.cat(heads, dim=-1))
    return out


def _projected(attention: Attention, x: Tensor, source: Tensor) -> dict[str, Tensor]:
    if attention.cross:
        modules = {"query": (attention.query, slice(None), x)}
        fused, read = attention.key_value, source
    else:
        modules, fused, read = {}, attention.query_key_value, x
    modules |= {name: (fused, rows, read) for name, rows in fused.slices.items()}
    projected = {}
    for name, (module, rows, given) in modules.items():
        projected[name] = given @ module.weight[rows].T
        if module.bias is not None:
            projected[name] = projected[name] + module.bias[rows]
    return projected


class Nothing(torch.nn.Module):
    """Put in a dropout's place: it drops all, so what depends on it is seen."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.zeros_like(x)


def rows_of(x: Tensor, layout: Layout) -> list[Tensor]:
    """The rows of each sequence."""
    return [x[start : start + n] for start, n in zip(layout.starts, layout.lengths, strict=True)]
