"""The compiled kernels, where they were built: what they serve, and how to do without them.

``pip install`` builds ``kernels.c`` if there is a compiler; if not, nothing is missing but
speed. The library is found beside this file and called by ctypes, so that it fits every
version of Python; its threads are those of PyTorch's own pool, as many as
``torch.set_num_threads`` says.
"""

import ctypes
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import torch
from torch import Tensor, nn

_SWITCH = "MASON_COMPILED"
"""Environment variable: 0 leaves the library alone."""
_HALF = {torch.float32: 0, torch.bfloat16: 1}


class Pointers(ctypes.Structure):
    """``Attention`` of kernels.h."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("query", "key", "value", "keys", "values", "out")),
        *((name, ctypes.c_void_p) for name in ("cosine", "sine", "places", "ends")),
        *((name, ctypes.c_int64) for name in ("query_stride", "key_stride", "value_stride")),
        *((name, ctypes.c_int64) for name in ("rows", "heads", "kv_heads", "width", "capacity")),
        *((name, ctypes.c_int64) for name in ("window", "half", "held")),
        *((name, ctypes.c_double) for name in ("scale", "softcap")),
        ("blocks", ctypes.c_void_p),
        ("longest", ctypes.c_int64),
    )


_P, _N, _I, _D = ctypes.c_void_p, ctypes.c_int64, ctypes.c_int, ctypes.c_double
_FUNCTIONS = {
    "mason_variant": ([_I], ctypes.c_char_p),
    "mason_choose": ([_I], None),
    "mason_tiles": ([], _I),
    "mason_product": ([_I, _P, _P, _P, _P, _P, _I, _N, _N, _N], _I),
    "mason_dequantise": ([_P, _P, _P, _I, _N, _N], None),
    "mason_product_int4": ([_P, _P, _P, _P, _P, _I, _N, _N, _N], _I),
    "mason_dequantise_int4": ([_P, _P, _P, _I, _N, _N], None),
    "mason_norm": ([_P, _P, _P, _I, _N, _N, _D, _D], None),
    "mason_gate": ([_P, _P, _I, _N, _N], None),
    "mason_likeliest": ([_P, _N, _N, _P, _P], None),
    "mason_drop": ([_P, _P, _I, _N, ctypes.c_uint64, _I], None),
    "mason_attend": ([ctypes.POINTER(Pointers)], _I),
    "mason_product_int8_dynamic": ([_P, _P, _P, _N], _I),
    "mason_encode": ([_P, _P, _N, _P, _P, _P], _I),
    "mason_decode": ([_P, _P], _I),
    "mason_norm_forward": ([_P], None),
    "mason_norm_backward": ([_P], _I),
    "mason_activation": ([_P], None),
    "mason_cross_entropy": ([_P], None),
    "mason_weight_gradient": ([_P], _I),
    "mason_varlen_attention": ([_P], _I),
    "mason_varlen_attention_backward": ([_P], _I),
}


class Library:
    """The loaded library and the instruction set in use."""

    def __init__(self, path: Path) -> None:
        self.calls = ctypes.CDLL(str(path))
        for name, (arguments, result) in _FUNCTIONS.items():
            function = getattr(self.calls, name)
            function.argtypes, function.restype = arguments, result
        names, number = [], 0
        while (name := self.calls.mason_variant(number)) is not None:
            names.append(name.decode())
            number += 1
        self._names = names
        self.variants = [name for name in names if name]
        """Instruction sets this processor has, best first."""
        self.choose(self.variants[0])

    def choose(self, variant: str) -> None:
        """Compute with this instruction set from now on."""
        self.calls.mason_choose(self._names.index(variant))
        self.variant = variant
        self.has_tiles = bool(self.calls.mason_tiles())
        """Whether products of tiles in bf16 are among its instructions."""


def load() -> Library | None:
    """The library, unless it is not built, or the environment says no."""
    if os.environ.get(_SWITCH) == "0":
        return None
    for suffix in EXTENSION_SUFFIXES:
        path = Path(__file__).with_name(f"_kernels{suffix}")
        if path.exists():
            try:
                return Library(path)
            except (OSError, AttributeError):  # built for another machine or version
                return None
    return None


_built = load()
_used = _built


def library() -> Library | None:
    """The library in use; None: the plain paths are."""
    return _used


@contextmanager
def using(variant: str | None) -> Iterator[None]:
    """Compute with this instruction set, or None: by the plain paths.

    Args:
        variant: One of ``library().variants``.
    """
    global _used
    before, name = _used, None if _used is None else _used.variant
    _used = _built if variant is not None else None
    if variant is not None:
        assert _built is not None, "the library is not built"
        _built.choose(variant)
    try:
        yield
    finally:
        _used = before
        if before is not None and name is not None:
            before.choose(name)


class _Here(threading.local):
    decoding = False


_here = _Here()


@contextmanager
def decoding() -> Iterator[None]:
    """Let the kernels serve in this thread.

    They add in another order than PyTorch's products of many rows. A text that is classified
    must not differ with the texts beside it, so that only decoding, which asks for the same few
    rows over and over, is worth that.
    """
    before, _here.decoding = _here.decoding, True
    try:
        yield
    finally:
        _here.decoding = before


def serves(x: Tensor) -> bool:
    """Whether kernels may read ``x``: decoding, plain numbers on the processor, no gradient."""
    return ready() and _plain(x) and x.is_contiguous()  # in this order: tracers guard sizes


def widens(like: Tensor) -> bool:
    """Whether kernels may write weights in few bits as numbers in the dtype of ``like``.

    What they write is the plain path's to the bit, so that not only decoding may ask.
    """
    return _used is not None and _plain(like)


def _plain(x: Tensor) -> bool:
    return type(x) is Tensor and x.is_cpu and x.dtype in _HALF and not torch.compiler.is_compiling()


def ready() -> bool:
    """Whether kernels may serve this thread now."""
    return (
        _here.decoding
        and _used is not None
        and not torch.is_grad_enabled()
        and not torch.is_autocast_enabled("cpu")
    )


def has_values(*tensors: Tensor | None) -> bool:
    """Whether all are plain tensors in memory: a forecast's have shapes alone."""
    return all(x is None or type(x) in (Tensor, nn.Parameter) for x in tensors)


def foretell(x: Tensor, operations: int) -> None:
    """For a forecast, in a kernel's place: a product of so many operations that holds nothing."""
    row = x.flatten()[:1].expand(1, operations // 2)
    torch.mm(row, row.T)


def half(x: Tensor) -> int:
    """What the kernels call the dtype of ``x``."""
    return _HALF[x.dtype]
