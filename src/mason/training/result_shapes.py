"""Shapes of an operation's results, for the operations a training step is made of.

PyTorch's own rules for its meta device are Python that loads the compiler, two seconds
before anything is worked out. These say the same; ``tests/training/test_result_shapes.py`` holds
them against PyTorch's. What is not here is left to PyTorch.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import Any

import numpy as np
import torch
from torch import Tensor

_aten = torch.ops.aten
_META = torch.device("meta")
_TRUTHS = {"gt", "ge", "lt", "le", "eq", "ne"}
"""Value by value, to yes or no."""
_ANYHOW = {
    _aten._scaled_dot_product_flash_attention_for_cpu.default,
    _aten._scaled_dot_product_flash_attention_for_cpu_backward.default,
}
"""Shaped alike whatever the arguments given by name are."""
_FILLED = {_aten.ones_like.default, _aten.zeros_like.default}


def results(func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """What ``func`` gives for tensors on the meta device."""
    rule = _RULES.get(func)
    if rule is not None and (not kwargs or func in _ANYHOW):
        return rule(*args)
    if func in _FILLED and not kwargs.keys() - {"dtype", "pin_memory", "memory_format"}:
        return _like(args[0], kwargs.get("dtype") or args[0].dtype)
    if torch.Tag.pointwise in func.tags and _plain(kwargs):
        given = [x for x in args if isinstance(x, Tensor)]
        truth = func._opname in _TRUTHS
        if given and (truth or all(x.is_floating_point() for x in given)):
            dtype = torch.bool if truth else _common(given)
            out = _value_by_value(given, dtype)
            return func(*args, **kwargs) if out is None else out
    return func(*args, **kwargs)


def _plain(kwargs: Mapping[str, Any]) -> bool:
    """Whether they leave dtype and layout alone."""
    return all(isinstance(x, int | float | str | None) for x in kwargs.values())


def _common(given: Sequence[Tensor]) -> torch.dtype:
    """What they are computed in; a number without dimensions does not widen the others."""
    wide = [x.dtype for x in given if x.ndim] or [x.dtype for x in given]
    return reduce(torch.promote_types, wide)


def _value_by_value(given: Sequence[Tensor], dtype: torch.dtype) -> Tensor | None:
    shape = np.broadcast_shapes(*(x.shape for x in given))  # torch's loads the compiler too
    whole = next((x for x in given if x.shape == shape), None)
    if whole is not None:
        return _like(whole, dtype)
    plain = all(x.is_contiguous() for x in given)
    return given[0].new_empty(shape, dtype=dtype) if plain else None


def _like(x: Tensor, dtype: torch.dtype) -> Tensor:
    """Dense, the dimensions in memory in the order of ``x``."""
    if x.is_contiguous() or not all(x.stride()):
        return x.new_empty(x.shape, dtype=dtype)
    strides, step = [0] * x.ndim, 1
    for i in sorted(range(x.ndim), key=lambda i: (x.stride(i), -i)):
        strides[i], step = step, step * x.shape[i]
    return torch.empty_strided(x.shape, strides, dtype=dtype, device=_META)


def _alike(x: Tensor, *_: object) -> Tensor:
    return _like(x, x.dtype)


def _product(a: Tensor, b: Tensor) -> Tensor:
    return a.new_empty((*a.shape[:-1], b.shape[-1]))


def _rows(table: Tensor, at: Tensor, *_: object) -> Tensor:
    return table.new_empty((*at.shape, table.shape[1]))


def _table(grad: Tensor, at: Tensor, num_rows: int, *_: object) -> Tensor:
    return grad.new_empty((num_rows, grad.shape[-1]))


def _reduced(x: Tensor, dims: Sequence[int] | None, keep: bool = False) -> Tensor:
    gone = {d % x.ndim for d in dims or range(x.ndim)}
    sizes = ((i, n) for i, n in enumerate(x.shape))
    return x.new_empty([1 if i in gone else n for i, n in sizes if keep or i not in gone])


def _chosen(x: Tensor, dim: int, at: Tensor) -> Tensor:
    shape = list(x.shape)
    shape[dim] = at.numel()
    return x.new_empty(shape)


def _joined(given: Sequence[Tensor], dim: int = 0) -> Tensor:
    shape = list(given[0].shape)
    shape[dim] = sum(x.shape[dim] for x in given)
    return given[0].new_empty(shape)


def _norm(x: Tensor, shape: Sequence[int], *_: object) -> tuple[Tensor, Tensor, Tensor]:
    lead = (*x.shape[: -len(shape)], *[1] * len(shape))
    dtype = torch.promote_types(x.dtype, torch.float32)
    return _alike(x), x.new_empty(lead, dtype=dtype), x.new_empty(lead, dtype=dtype)


def _norm_backward(
    grad: Tensor,
    x: Tensor,
    shape: Sequence[int],
    mean: Tensor,
    rstd: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    mask: Sequence[bool],
) -> tuple[Tensor | None, ...]:
    kinds = zip((x, weight, bias), mask, strict=True)
    return tuple(_alike(k) if k is not None and wanted else None for k, wanted in kinds)


def _attended(query: Tensor, *_: object) -> tuple[Tensor, Tensor]:
    batch, heads, length, _width = query.shape
    dtype = torch.promote_types(query.dtype, torch.float32)
    return _alike(query), query.new_empty((batch, length, heads), dtype=dtype).transpose(1, 2)


def _attended_backward(
    grad: Tensor, query: Tensor, key: Tensor, value: Tensor, *_: object
) -> tuple[Tensor, ...]:
    given = (x.transpose(1, 2) for x in (query, key, value))
    return tuple(x.new_empty(x.shape).transpose(1, 2) for x in given)


def _either(which: Tensor, one: Tensor, other: Tensor) -> Tensor:
    out = _value_by_value((which, one, other), _common((one, other)))
    return _aten.where.self(which, one, other) if out is None else out


def _picked(
    x: Tensor, targets: Tensor, weight: Tensor | None, reduction: int, ignored: int
) -> tuple[Tensor, Tensor]:
    return x.new_empty(() if reduction else targets.shape), x.new_empty(())


_RULES: Mapping[Any, Callable[..., Any]] = {
    _aten.mm.default: _product,
    _aten.bmm.default: _product,
    _aten.addmm.default: lambda bias, a, b: _product(a, b),
    _aten.embedding.default: _rows,
    _aten.embedding_dense_backward.default: _table,
    _aten.index_select.default: _chosen,
    _aten.cat.default: _joined,
    _aten.stack.default: lambda given, dim=0: _joined([x.unsqueeze(dim) for x in given], dim),
    _aten.select_backward.default: lambda grad, shape, *_: grad.new_empty(shape),
    _aten.slice_backward.default: lambda grad, shape, *_: grad.new_empty(shape),
    _aten.mean.dim: _reduced,
    _aten.sum.dim_IntList: _reduced,
    _aten.linalg_vector_norm.default: lambda x, order=2, dims=None, keep=False: _reduced(
        x, dims, keep
    ),
    _aten.native_layer_norm.default: _norm,
    _aten.native_layer_norm_backward.default: _norm_backward,
    _aten.masked_fill.Scalar: _alike,
    _aten.where.self: _either,
    _aten.index_add.default: _alike,
    _aten.index_fill.int_Scalar: _alike,
    _aten._scaled_dot_product_flash_attention_for_cpu.default: _attended,
    _aten._scaled_dot_product_flash_attention_for_cpu_backward.default: _attended_backward,
    _aten._softmax.default: _alike,
    _aten._softmax_backward_data.default: _alike,
    _aten._log_softmax.default: _alike,
    _aten._log_softmax_backward_data.default: _alike,
    _aten.nll_loss_forward.default: _picked,
    _aten.nll_loss_backward.default: lambda grad, x, *_: _alike(x),
}
