"""Attention of whole sequences in bf16, there and back, by a processor's tiles."""

import ctypes
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from mason.errors import RunError
from mason.layers.layout import Layout
from mason.layers.native.library import foretell, has_values, library

_WIDEST = 256


class _Dropping(ctypes.Structure):
    """``Dropping`` of kernels.h, of which a seed, a limit and a scale count here."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("x", "y")),
        ("half", ctypes.c_int),
        ("count", ctypes.c_int64),
        *((name, ctypes.c_uint32) for name in ("low", "high", "limit")),
        ("scale", ctypes.c_float),
    )


class _VarlenAttention(ctypes.Structure):
    """``VarlenAttention`` of kernels.h."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("query", "key", "value", "out", "sums")),
        *((name, ctypes.c_void_p) for name in ("cosine", "sine", "starts", "key_starts")),
        *((name, ctypes.c_void_p) for name in ("grad", "of_query", "of_key", "of_value")),
        *((name, ctypes.c_int64) for name in ("query_stride", "key_stride", "value_stride")),
        *((name, ctypes.c_int64) for name in ("sequences", "heads", "kv_heads", "width")),
        *((name, ctypes.c_int64) for name in ("causal", "window")),
        ("scale", ctypes.c_float),
        ("drop", _Dropping),
    )


@dataclass(frozen=True)
class VarlenPlan:
    """Who sees whom, and how.

    Attributes:
        queries: Where the queries of each sequence lie.
        keys: Where its keys lie.
        causal: No query sees a later key.
        window: Distance from which on pairs do not meet; None: all may.
        scale: Of the scores.
        angles: Cosine and sine [T, d] in fp32, by which queries and keys are turned; None: they
            stay as they are.
        limit: Weights of 256 that are dropped.
        seed: Of what is dropped, in 64 bits.
    """

    queries: Layout
    keys: Layout
    causal: bool
    window: int | None
    scale: float
    angles: tuple[Tensor, Tensor] | None = None
    limit: int = 0
    seed: int = 0


def has_varlen_attention(query: Tensor, key: Tensor, value: Tensor) -> bool:
    """Whether ``varlen_attention`` knows how: bf16 on a processor with tiles of it."""
    found = library()
    return (
        found is not None
        and query.is_cpu
        and {x.dtype for x in (query, key, value)} == {torch.bfloat16}
        and query.shape[-1] == value.shape[-1] <= _WIDEST
        and found.has_tiles
        and not torch.compiler.is_compiling()
    )


def varlen_attention(
    query: Float[Tensor, "T h d"],
    key: Float[Tensor, "S g d"],
    value: Float[Tensor, "S g d"],
    told: VarlenPlan,
) -> tuple[Float[Tensor, "T h d"], Float[Tensor, "h T"]]:
    """softmax(scale QKᵀ) V of each sequence, and the logarithms of the softmax's sums.

    Args:
        query: Rows of all sequences, h heads.
        key: Rows that are looked at; g heads, each for h / g of the query's.
        value: What is mixed.
        told: Who sees whom.

    Raises:
        RunError: There is no memory left.
    """
    query, key, value = (_in_rows(x) for x in (query, key, value))
    out = query.new_empty(query.shape)
    sums = query.new_empty(query.shape[1], query.shape[0], dtype=torch.float32)
    _call("mason_varlen_attention", query, key, value, out, sums, told)
    return out, sums


def varlen_attention_backward(
    grad: Float[Tensor, "T h d"],
    query: Float[Tensor, "T h d"],
    key: Float[Tensor, "S g d"],
    value: Float[Tensor, "S g d"],
    out: Float[Tensor, "T h d"],
    sums: Float[Tensor, "h T"],
    told: VarlenPlan,
) -> tuple[Float[Tensor, "T h d"], Float[Tensor, "S g d"], Float[Tensor, "S g d"]]:
    """The gradients of query, key and value.

    Args:
        grad: Of ``out``.
        query: As given to ``varlen_attention``, like ``key``, ``value`` and ``told``.
        key: See there.
        value: See there.
        out: What it returned.
        sums: Their logarithms.
        told: Who sees whom.

    Raises:
        RunError: There is no memory left.
    """
    query, key, value = (_in_rows(x) for x in (query, key, value))
    grad = grad.to(out.dtype).contiguous()
    made = tuple(x.new_empty(x.shape) for x in (query, key, value))
    _call("mason_varlen_attention_backward", query, key, value, out, sums, told, grad, *made)
    return made[0], made[1], made[2]


def _in_rows(x: Tensor) -> Tensor:
    """``x`` with the features of a row in one piece; rows may lie apart."""
    return x if x.stride(2) == 1 and x.stride(1) == x.shape[2] else x.contiguous()


def _call(
    name: str,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    out: Tensor,
    sums: Tensor,
    told: VarlenPlan,
    *back: Tensor,
) -> None:
    if not has_values(query, key, value, out, *back):
        pairs = sum(q * k for q, k in zip(told.queries.lengths, told.keys.lengths, strict=True))
        # Two products there; back these, made anew, and three more, as if all pairs met.
        foretell(query, (5 if back else 2) * 2 * pairs * query.shape[1] * query.shape[2])
        return
    found = library()
    assert found is not None, "asked before"
    assert len(query) == told.queries.num_rows and len(key) == len(value) == told.keys.num_rows
    turns = None if told.angles is None else [x.contiguous() for x in told.angles]
    bounds = told.queries.offsets, told.keys.offsets
    seed, limit = told.seed % 2**64, told.limit
    job = _VarlenAttention(
        *(x.data_ptr() for x in (query, key, value, out, sums)),
        *((None, None) if turns is None else [x.data_ptr() for x in turns]),
        *(x.data_ptr() for x in bounds),
        *(x.data_ptr() for x in back),
        *[None] * (4 - len(back)),
        *(x.stride(0) for x in (query, key, value)),
        len(told.queries),
        query.shape[1],
        key.shape[1],
        query.shape[2],
        told.causal,
        told.window or 0,
        told.scale,
        _Dropping(None, None, 1, 0, seed % 2**32, seed >> 32, limit, 256 / (256 - limit)),
    )
    if getattr(found.calls, name)(ctypes.byref(job)):
        raise RunError("There is no memory left for attention; close other programs.")
