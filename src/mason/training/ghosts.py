"""Tensors without memory: run the real code on them, and read off what it would have held.

A ghost has a shape, a dtype and a life, and no values. Because it is the layers', the
optimiser's and the step's own code that runs, nothing is said twice and nothing can drift.
"""

import copy
import weakref
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from mason.training.heap import Heap
from mason.training.result_shapes import results

_aten = torch.ops.aten
_REAL_VALUES = 1 << 16
"""Tensors made from nothing have no values from this size on: masks, not indices."""
_FACTORIES = {_aten.empty.memory_format}
_PRODUCTS = {
    _aten.mm.default: 0,
    _aten.addmm.default: 1,
    _aten.addmm_.default: 1,
    _aten.bmm.default: 0,
    _aten.bmm.out: 0,
}
"""Matrix products, and the place of their left factor."""
_ATTENTIONS = {
    _aten._scaled_dot_product_flash_attention_for_cpu.default: (2, 0),
    _aten._scaled_dot_product_flash_attention_for_cpu_backward.default: (4, 1),
}
"""Fused attention: products counted in it, and the place of the query, before the key."""
_LOOK = _aten._local_scalar_dense.default
_CPU, _META = torch.device("cpu"), torch.device("meta")


class Ghost(Tensor):
    """A tensor on the CPU by its own account, without memory in truth."""

    meta: Tensor

    @staticmethod
    def __new__(cls, meta: Tensor) -> "Ghost":
        """Of a tensor on the meta device."""
        make: Callable[..., Ghost] = Tensor._make_wrapper_subclass
        ghost = make(
            cls,
            meta.size(),
            strides=meta.stride(),
            storage_offset=meta.storage_offset(),
            dtype=meta.dtype,
            device=_CPU,
        )
        ghost.meta = meta
        return ghost

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Ghosts live within a ``Tally``."""
        raise AssertionError(f"{func} met a ghost outside a tally")


class Tally(TorchDispatchMode):
    """Counts bytes while they live, products and traffic; all code within may meet ghosts.

    Attributes:
        label: What new tensors count as.
        live: Bytes alive, by label.
        peak: ``live`` when its sum was largest.
        heap: How an allocator would lay the tensors out.
        flops: Operations of matrix products.
        moved: Bytes read and written by everything else.
        operations: How many operations there were; views cost nothing.
        shapes: Of the matrix products of half-width numbers, each once.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.label = "activations"
        self.live: Counter[str] = Counter()
        self.total, self._highest = 0, -1
        self.heap = Heap()
        self.peak: dict[str, int] = {}
        self.flops, self.moved, self.operations = 0, 0, 0
        self.shapes: set[tuple[int, ...]] = set()
        self._labels: dict[int, list[Any]] = {}
        self._known: dict[Any, Any] = {}

    def restart(self) -> None:
        """Forget peak, products and traffic; what is alive stays."""
        self._highest, self.flops, self.moved, self.operations = -1, 0, 0, 0

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Nothing is compiled here, and saying so would load the compiler: two seconds."""
        return False

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Run one operation: on the meta device if a ghost takes part."""
        kwargs = kwargs or {}
        leaves = list(_tensors((*args, *kwargs.values())))
        ghostly = any(type(x) is Ghost for x in leaves)
        if not ghostly and not (func in _FACTORIES and prod(args[0]) >= _REAL_VALUES):
            return self._kept(func(*args, **kwargs))
        if func is _LOOK:
            return 0.0 if args[0].is_floating_point() else 0
        self._count(func, args, leaves)
        if _writes(func):
            # Its shape stands; what only writes, such as a fused optimiser, gives nothing.
            return kwargs.get("out", args[0]) if func._schema.returns else None
        return self._made(func, args, kwargs)

    def _made(self, func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """New ghosts; layers are alike, so what has been seen is not worked out again."""
        key = None if func.is_view else _key(func, args, kwargs)
        known = self._known.get(key) if key else None
        if known is None:
            out = results(func, _metas(args), {k: _metas(v) for k, v in kwargs.items()})
            if key and isinstance(out, Tensor) and not _shares(out, args):
                self._known[key] = (out.size(), out.stride(), out.dtype)
        else:
            size, stride, dtype = known
            out = torch.empty_strided(size, stride, dtype=dtype, device="meta")
        return _ghosts(self._kept(out))

    def adopt(self, tensor: Tensor, label: str) -> None:
        """Count a tensor as ``label`` from here on."""
        meta = tensor.meta if isinstance(tensor, Ghost) else tensor
        self._track(meta)
        entry = self._labels[meta.untyped_storage()._cdata]
        self.live[entry[0]] -= entry[1]
        self.live[label] += entry[1]
        entry[0] = label

    def _count(self, func: Any, args: tuple[Any, ...], leaves: list[Tensor]) -> None:
        if func in _PRODUCTS:
            left, right = (args[_PRODUCTS[func] + i] for i in (0, 1))
            self.flops += 2 * left.numel() * right.shape[-1]
            if left.dtype.itemsize == 2:
                self.shapes.add((*left.shape, *left.stride(), *right.shape, *right.stride()))
        if func in _ATTENTIONS:
            products, place = _ATTENTIONS[func]
            query, key = args[place : place + 2]
            self.flops += products * 2 * query.numel() * key.shape[-2]
        if func.is_view:
            return
        self.operations += 1
        if func not in _PRODUCTS:
            self.moved += sum(x.numel() * x.element_size() for x in leaves)

    def _kept(self, out: Any) -> Any:
        for x in _tensors((out,)):
            self._track(x)
        return out

    def _track(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key in self._labels:
            return
        size = storage.nbytes()
        entry = self._labels[key] = [self.label, size, None, self.heap.take(size)]
        entry[2] = weakref.ref(storage, lambda _: self._forget(key))
        self.live[self.label] += size
        self.total += size
        if self.total > self._highest:
            self._highest, self.peak = self.total, dict(self.live)

    def _forget(self, key: int) -> None:
        label, size, _, block = self._labels.pop(key)
        self.heap.give_back(*block)
        self.live[label] -= size
        self.total -= size


def _tensors(values: Iterable[Any]) -> Iterator[Tensor]:
    for x in values:
        if isinstance(x, Tensor):
            yield x
        elif isinstance(x, list | tuple):
            yield from _tensors(x)


def _metas(x: Any) -> Any:
    if isinstance(x, Tensor):
        if type(x) is Ghost:
            return x.meta
        return torch.empty_strided(x.size(), x.stride(), dtype=x.dtype, device="meta")
    if isinstance(x, list | tuple):
        return type(x)(_metas(y) for y in x)
    return _META if isinstance(x, torch.device) else x


def _ghosts(x: Any) -> Any:
    if isinstance(x, Tensor):
        return Ghost(x)
    return type(x)(_ghosts(y) for y in x) if isinstance(x, list | tuple) else x


def _key(*parts: Any) -> tuple[Any, ...]:
    """What decides the shape of an operation's result."""
    key: list[Any] = []
    for x in parts:
        if isinstance(x, Tensor):
            key += [tuple(x.size()), x.stride(), x.dtype]
        elif isinstance(x, list | tuple):
            key += ["[", _key(*x), "]"]
        elif isinstance(x, Mapping):
            key += ["{", _key(*x.items()), "}"]
        else:
            key.append(x)
    return tuple(key)


def _shares(out: Tensor, args: tuple[Any, ...]) -> bool:
    """Whether a result is an argument, or a view of one, after all."""
    given = (x.meta for x in _tensors(args) if isinstance(x, Ghost))
    held = out.untyped_storage()._cdata
    return any(x.untyped_storage()._cdata == held for x in given)


@cache
def _writes(func: Any) -> bool:
    """Whether an operation writes into its first argument, or into one called out."""
    arguments = func._schema.arguments
    places = [*arguments[:1], *(a for a in arguments if a.name == "out")]
    return any(a.alias_info is not None and a.alias_info.is_write for a in places)


def twin(model: nn.Module, tally: Tally) -> nn.Module:
    """A copy of a model, its hooks and frozen parts included, made of ghosts."""
    made: dict[int, Any] = {}
    for tensor in (*model.parameters(), *model.buffers()):
        # Beside the tally: within it, what the model holds in truth would be counted as well.
        shape = torch.empty_like(tensor.detach(), device=_META)
        with tally:
            ghost = Ghost(shape)
            tally.adopt(ghost, "weights")
            made[id(tensor)] = ghost.requires_grad_(tensor.requires_grad)
    with tally:
        return copy.deepcopy(model, made)
