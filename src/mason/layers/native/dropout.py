"""Dropout by counted numbers: what is dropped is a function of a place and a seed."""

import torch
from torch import Tensor

from mason.layers.native.library import half, has_values, library

_KINDS = (torch.float32, torch.bfloat16)


def drops(x: Tensor) -> bool:
    """Whether ``drop`` knows how; all devices and dtypes else go by PyTorch's numbers."""
    return (
        library() is not None
        and x.is_cpu
        and x.dtype in _KINDS
        and not torch.compiler.is_compiling()
    )


def drop(x: Tensor, seed: int, limit: int) -> Tensor:
    """``x`` with ``limit`` of 256 values 0 and the others times 256 / (256 - ``limit``).

    Args:
        x: Values of any shape for which ``drops`` holds.
        seed: Of 64 bits; the same one drops the same places again.
        limit: From 1 to 255.
    """
    plain = x.contiguous()
    y = plain.new_empty(x.shape)
    if has_values(plain):
        found = library()
        assert found is not None, "asked before"
        where = plain.data_ptr(), y.data_ptr()
        found.calls.mason_drop(*where, half(plain), plain.numel(), seed, limit)
    return y
