"""Dropout that costs little: a random byte a value, and where it is compiled none is stored."""

from typing import Any

import torch
from torch import Tensor, nn

from mason.errors import SettingsError
from mason.layers import native


class Dropout(nn.Module):
    """Zero a share of the values while training and scale up the rest (Srivastava et al. 2014).

    The share is rounded to a multiple of 1/256, at least one, and the scale is that of the
    rounded share, so the expected value is exact. On the CPU the rate of random numbers, not the
    product, limits PyTorch's own dropout: the compiled kernel counts them from one seed, and
    makes them again for the gradient; without it, drawing 64 bits serves eight values.

    Args:
        rate: The share.
        usual: Whether models that drop at all drop here; else only some architectures do.
    """

    def __init__(self, rate: float = 0.0, *, usual: bool = True) -> None:
        super().__init__()
        self.rate, self.usual = rate, usual

    def forward(self, x: Tensor) -> Tensor:
        """The same shape; while evaluating, ``x`` itself."""
        return drop(x, self.rate) if self.training and self.rate else x

    def extra_repr(self) -> str:
        """What ``print`` shows."""
        return f"rate={self.rate}"


def drop(x: Tensor, rate: float) -> Tensor:
    """``x`` with a share of its values zeroed and the rest scaled to the same mean.

    Raises:
        SettingsError: The rate is no share below 1.
    """
    if not 0 <= rate < 1:
        raise SettingsError(
            "The dropout rate is {rate}; it is the share of values to drop, from 0 to below 1.",
            rate=rate,
        )
    if x.device.type != "cpu" or torch.compiler.is_compiling():  # compiled, it is one pass
        return nn.functional.dropout(x, rate)
    dropped: Tensor
    limit = dropped_of_256(rate)
    if native.drops(x):
        dropped = _Seeded.apply(x, limit, draw_seed())  # type: ignore[no-untyped-call]
    else:
        dropped = _Drop.apply(x, limit)  # type: ignore[no-untyped-call]
    return dropped


def dropped_of_256(rate: float) -> int:
    """How many of 256 values are dropped: the share rounded, and at least one."""
    return min(max(round(rate * 256), 1), 255)


def draw_seed() -> int:
    """64 bits from PyTorch's generator, so that a recomputed step drops the same."""
    return int(torch.empty((), dtype=torch.int64).random_(-(2**63), None))


class _Seeded(torch.autograd.Function):
    """Remembers a seed; a gradient is dropped as the values were."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, limit: int, seed: int) -> Tensor:
        ctx.told = limit, seed
        return native.drop(x, seed, limit)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        return _Seeded.apply(grads[0], *ctx.told), None, None  # type: ignore[no-untyped-call]


class _Drop(torch.autograd.Function):
    """Remembers the random bytes, a quarter of what the factors they stand for would take."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, limit: int) -> Tensor:
        words = torch.empty(-(-x.numel() // 8), dtype=torch.int64).random_(-(2**63), None)
        drawn = words.view(torch.uint8)[: x.numel()].view(x.shape)
        ctx.save_for_backward(drawn)
        ctx.limit = limit
        return x * _factors(drawn, limit, x.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        (drawn,) = ctx.saved_tensors
        return grads[0] * _factors(drawn, ctx.limit, grads[0].dtype), None


def _factors(drawn: Tensor, limit: int, dtype: torch.dtype) -> Tensor:
    """0 for a byte below the limit, else the scale."""
    # Compared straight into floats: by way of bools it takes ten times as long (LOG.md).
    kept = torch.ge(drawn, limit, out=torch.empty(drawn.shape, dtype=dtype))
    return kept.mul_(256 / (256 - limit))
