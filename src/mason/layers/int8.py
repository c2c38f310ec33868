"""Weights in 8 bits: a quarter of the bytes of fp32, and decoding is as fast as its bytes.

Symmetric, with one scale an output row (round to nearest, no data needed); the rows that are
multiplied stay as they are, so that only the weights are rounded.
"""

from typing import Any

import torch
from jaxtyping import Float, Int, Int8
from torch import Tensor, nn

from mason.layers import native
from mason.layers.frozen import frozen_product
from mason.layers.linear import Parts

_LARGEST = 127


def rounded_to_int8(weight: Float[Tensor, "O I"]) -> tuple[Int8[Tensor, "O I"], Float[Tensor, "O"]]:
    """Each row as whole numbers from -127 to 127, and what one of them is worth."""
    wide = weight.detach().float()
    scales = wide.abs().amax(1) / _LARGEST
    rows = wide / scales.clamp(min=torch.finfo(torch.float32).tiny)[:, None]
    return rows.round().to(torch.int8).contiguous(), scales


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


def hold_in_int8(model: nn.Module) -> nn.Module:
    """Replace, in place, every linear map and embedding of ``tokens``; the rest becomes fp32.

    What shared a weight shares it still.
    """
    model.float()
    done: dict[Tensor, tuple[Tensor, Tensor]] = {}
    for parent in list(model.modules()):
        for name, module in parent._modules.items():
            if isinstance(module, nn.Linear):
                parts = module.parts if isinstance(module, Parts) else None
                held = _rounded_once(module.weight, done)
                parent._modules[name] = Int8Linear(*held, module.bias, parts)
            elif isinstance(module, nn.Embedding) and name == "tokens":
                parent._modules[name] = Int8Embedding(*_rounded_once(module.weight, done))
    return model


def _rounded_once(
    weight: Tensor, done: dict[Tensor, tuple[Tensor, Tensor]]
) -> tuple[Tensor, Tensor]:
    if weight not in done:
        done[weight] = rounded_to_int8(weight)
    return done[weight]
