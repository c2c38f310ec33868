"""Linear maps: every product with a weight is one of these modules, or stands for one."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor, nn

from mason.layers import native
from mason.layers.even_rows import compiled_by_shape, even_product
from mason.layers.frozen import frozen_product
from mason.runtime import cpu_has_bf16

_device: ContextVar[str | None] = ContextVar("device", default=None)


@contextmanager
def without_values() -> Iterator[None]:
    """Linear maps made in the block have shapes alone: their weights are on the meta device.

    What is read weight by weight need never be whole in memory.
    """
    before = _device.set("meta")
    try:
        yield
    finally:
        _device.reset(before)


class Linear(nn.Linear):
    """PyTorch's own, but for rows that it is slow at.

    A few that nobody learns from go through the compiled kernel, packed ones in bf16 through
    products of few different shapes. A weight that does not learn may be held in bf16 beside
    rows in fp32.
    """

    def __init__(self, in_features: int, out_features: int, bias: bool = True) -> None:
        super().__init__(in_features, out_features, bias, device=_device.get())

    def forward(self, input: Tensor) -> Tensor:
        """Rows [..., I] to rows [..., O]."""
        if self._is_frozen(input):
            return frozen_product(input, self)
        if compiled_by_shape(input):
            return even_product(input, self.weight, self.bias)
        if native.multiplies(input, self.weight):
            return native.multiply(input, self.weight, self.bias)
        if input.dtype is torch.bfloat16 and _emulated(input) and self.weight.dtype is input.dtype:
            bias = None if self.bias is None else self.bias.float()
            wide = nn.functional.linear(input.float(), self.weight.float(), bias)
            return wide.to(input.dtype)
        return super().forward(input)

    def widened(self, like: Tensor) -> Tensor:
        """The weight in the dtype of ``like``."""
        return self.weight.to(like.dtype)

    def _is_frozen(self, x: Tensor) -> bool:
        """Whether others learn through this map, or its weight is held smaller than the rows."""
        if self.weight.requires_grad or (self.bias is not None and self.bias.requires_grad):
            return False
        return x.requires_grad or self.weight.dtype.itemsize < x.dtype.itemsize


def _emulated(x: Tensor) -> bool:
    """Whether PyTorch would emulate bf16, several times slower than fp32 with its conversions."""
    return (
        x.is_cpu
        and not torch.is_grad_enabled()
        and not torch.is_autocast_enabled("cpu")
        and not cpu_has_bf16()
    )


class Parts:
    """What a map of several outputs in one has beside the map: names for slices of it."""

    parts: dict[str, int]
    """Name and width of each slice, in order."""

    @property
    def slices(self) -> dict[str, slice]:
        """The output rows of each part."""
        bounds, start = {}, 0
        for name, width in self.parts.items():
            bounds[name] = slice(start, start + width)
            start += width
        return bounds

    def split(self, output: Tensor) -> tuple[Tensor, ...]:
        """The output [..., sum of widths] cut into its parts."""
        if len(self.parts) == 1:  # an operation that LiteRT's converter does not take
            return (output,)
        return torch.split(output, list(self.parts.values()), dim=-1)


class FusedLinear(Parts, Linear):
    """One weight whose output rows are named slices, such as query, key and value.

    Args:
        inputs: Width of the input.
        parts: Name and width of each slice, in order.
        bias: Whether there is a bias.
    """

    def __init__(self, inputs: int, parts: Mapping[str, int], *, bias: bool) -> None:
        super().__init__(inputs, sum(parts.values()), bias=bias)
        self.parts = dict(parts)
