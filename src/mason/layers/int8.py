"""Weights in 8 bits: a quarter of the bytes of fp32, and decoding is as fast as its bytes.

Symmetric, with one scale an output row (round to nearest, no data needed); the rows that are
multiplied stay as they are, so that only the weights are rounded.
"""

from functools import cached_property
from typing import Any

import torch
from jaxtyping import Float, Int, Int8
from torch import Tensor, nn

from mason.layers import native
from mason.layers.frozen import frozen_product
from mason.layers.linear import Parts

_LARGEST = 127
FEW_STEPS = 7
"""The same of 4 bits."""
STEPS = {8: _LARGEST, 4: FEW_STEPS}
"""The largest whole number of so many bits."""
_SHARES = (0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6, 0.55, 0.5)
"""Of a row's largest number: where 4 bits may end. Few numbers lose much so that most lose less."""
_TOGETHER = 1 << 20
"""Numbers that are rounded at once, whole rows: memory is needed for few beside the result."""
_SPARE = 7
"""Bits of a scale that are left zero, so that a scale times a whole number is exact."""


def rounded_to_int8(
    weight: Float[Tensor, "O I"], *, largest: int = _LARGEST
) -> tuple[Int8[Tensor, "O I"], Float[Tensor, "O"]]:
    """Each row as whole numbers, and what one of them is worth.

    Their product is exact in fp32, and rounding it again gives the same two: what was rounded
    once may be stored and read as ordinary numbers, and loses nothing more.

    Args:
        weight: Any numbers.
        largest: 127, or 7: so few steps that they fit in 4 bits, for which the scale that loses
            least is looked for. What has 7 steps already keeps them.
    """
    pieces = weight.detach().split(max(1, _TOGETHER // weight.shape[1]))
    if largest < _LARGEST:
        found = [_with_least_loss(piece.float(), largest) for piece in pieces]
    else:
        steps = FEW_STEPS if all(_has_few_steps(piece.float()) for piece in pieces) else _LARGEST
        found = [_to_nearest(piece.float(), steps) for piece in pieces]
    return torch.cat([whole for whole, _ in found]), torch.cat([scales for _, scales in found])


def _to_nearest(wide: Tensor, largest: int) -> tuple[Tensor, Tensor]:
    return _rounded(wide, wide.abs().amax(1) / largest, largest)


def _has_few_steps(wide: Tensor) -> bool:
    whole, scales = _to_nearest(wide, FEW_STEPS)
    return torch.equal(whole.float() * scales[:, None], wide)


def _with_least_loss(wide: Tensor, largest: int) -> tuple[Tensor, Tensor]:
    best = _to_nearest(wide, FEW_STEPS)
    least = _lost(wide, best)
    for share in _SHARES:
        tried = _rounded(wide, wide.abs().amax(1) * share / largest, largest)
        lost = _lost(wide, tried)
        better = lost < least
        least = torch.where(better, lost, least)
        best = (
            torch.where(better[:, None], tried[0], best[0]),
            torch.where(better, tried[1], best[1]),
        )
    return best


def _rounded(wide: Tensor, scales: Tensor, largest: int) -> tuple[Tensor, Tensor]:
    scales = shortened(scales)
    rows = wide / scales.clamp(min=torch.finfo(torch.float32).tiny)[:, None]
    return rows.round().clamp(-largest, largest).to(torch.int8).contiguous(), scales


def _lost(wide: Tensor, rounded: tuple[Tensor, Tensor]) -> Float[Tensor, "O"]:
    whole, scales = rounded
    return (whole.float() * scales[:, None] - wide).square().sum(1)


def shortened(scales: Float[Tensor, "O"]) -> Float[Tensor, "O"]:
    """Scales, in fp32, with so few bits that their products with whole numbers are exact."""
    bits = scales.contiguous().view(torch.int32) + (1 << _SPARE - 1)
    return (bits & -(1 << _SPARE)).view(torch.float32)


class Int8Linear(Parts, nn.Module):
    """Stands for a linear map with its weight in 8 bits; it does not learn, others may.

    Args:
        weight: Whole numbers [O, I].
        scales: What one is worth in each row [O].
        bias: [O] or None.
        parts: Names of slices, where the map it stands for has any.
    """

    weight: Tensor
    scales: Tensor
    bias: Tensor | None

    def __init__(
        self,
        weight: Int8[Tensor, "O I"],
        scales: Float[Tensor, "O"],
        bias: Tensor | None = None,
        parts: dict[str, int] | None = None,
    ) -> None:
        super().__init__()
        self.out_features, self.in_features = weight.shape
        self.parts = dict(parts or {})
        self.register_buffer("weight", weight)
        self.register_buffer("scales", scales)
        self.register_buffer("bias", None if bias is None else bias.detach())

    def forward(self, x: Float[Tensor, "*b I"]) -> Float[Tensor, "*b O"]:
        """Rows [..., I] to rows [..., O]; many rows multiply widened weights."""
        if native.multiplies(x, self.weight):
            return native.multiply(x, self.weight, self.bias, self.scales)
        return frozen_product(x, self)

    def widened(self, like: Tensor) -> Float[Tensor, "O I"]:
        """The weight as numbers in the dtype of ``like``."""
        return native.widen(self.weight, self.scales, like)

    def _apply(self, fn: Any, recurse: bool = True) -> "Int8Linear":
        """Go to another device or dtype; scales stay fp32, as the kernels read them."""
        scales = self.scales
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        self.scales = scales.to(self.weight.device)
        return self

    def extra_repr(self) -> str:
        """What ``print`` shows."""
        return f"in_features={self.in_features}, out_features={self.out_features}"


class Int8DynamicLinear(Int8Linear):
    """An ``Int8Linear`` that rounds what it is given too, each row to 256 steps of its own.

    Sums are of whole numbers: exact, fast on every processor, and the same beside other rows.
    """

    def forward(self, x: Float[Tensor, "*b I"]) -> Float[Tensor, "*b O"]:
        """Rows [..., I] to rows [..., O]."""
        if native.multiplies_int8_dynamic(x):
            return native.multiply_int8_dynamic(x, self.packed)
        if x.numel() == 0 or not x.is_cpu:
            return super().forward(x)
        rows = x.reshape(-1, self.in_features).float()
        low, high = rows.amin(1, keepdim=True), rows.amax(1, keepdim=True)
        step, by = (high - low) / 255, torch.where(high > low, 255 / (high - low), 0.0)
        whole = ((rows - low) * by).round().clamp(0, 255)
        sums = torch._int_mm((whole - 128).to(torch.int8), self.weight.t())
        totals = self.weight.sum(1, dtype=torch.int32)
        y = ((sums + 128 * totals) * step + totals * low) * self.scales
        y = y if self.bias is None else y + self.bias
        return y.to(x.dtype).reshape(*x.shape[:-1], self.out_features)

    @cached_property
    def packed(self) -> native.Packed8:
        """The weights as the kernels read them."""
        return native.Packed8.of(self.weight, self.scales, self.bias)


class Int8Embedding(nn.Module):
    """Token vectors in 8 bits, perhaps shared with an output matrix; see ``Int8Linear``."""

    weight: Tensor
    scales: Tensor

    def __init__(self, weight: Int8[Tensor, "O I"], scales: Float[Tensor, "O"]) -> None:
        super().__init__()
        self.num_embeddings, self.embedding_dim = weight.shape
        self.register_buffer("weight", weight)
        self.register_buffer("scales", scales)

    def forward(self, tokens: Int[Tensor, "*b"]) -> Float[Tensor, "*b D"]:
        """A vector in fp32 for each token."""
        wide: Tensor = self.weight[tokens].float() * self.scales[tokens][..., None]
        return wide


def hold_in_int8(model: nn.Module, *, rows: bool = False, largest: int = _LARGEST) -> nn.Module:
    """Replace, in place, every linear map and embedding of ``tokens``; the rest becomes fp32.

    What shared a weight shares it still. Weights are rounded as they are, a piece at a time, so
    that none has to be wide.

    Args:
        model: Its weights are rounded.
        rows: Whether what is multiplied is rounded too (``Int8DynamicLinear``), and positions.
        largest: See ``rounded_to_int8``.
    """
    kind, tables = (
        (Int8DynamicLinear, ("tokens", "positions")) if rows else (Int8Linear, ("tokens",))
    )
    done: dict[Tensor, tuple[Tensor, Tensor]] = {}
    for parent in list(model.modules()):
        for name, module in parent._modules.items():
            if isinstance(module, nn.Linear):
                parts = module.parts if isinstance(module, Parts) else None
                held = _rounded_once(module.weight, done, largest)
                parent._modules[name] = kind(*held, module.bias, parts)
            elif isinstance(module, nn.Embedding) and name in tables:
                parent._modules[name] = Int8Embedding(*_rounded_once(module.weight, done, largest))
    return model.float()


def _rounded_once(
    weight: Tensor, done: dict[Tensor, tuple[Tensor, Tensor]], largest: int
) -> tuple[Tensor, Tensor]:
    if weight not in done:
        done[weight] = rounded_to_int8(weight, largest=largest)
    return done[weight]
