"""A linear map with changes beside it, each under a name, of which one or none is in force."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mason.layers.frozen import Held
from mason.layers.linear import Parts
from mason.layers.registry import adapters


@dataclass(frozen=True)
class AdapterSpec:
    """What an adapter is made of.

    Attributes:
        kind: A registered name.
        rank: Inner width.
        alpha: The change is multiplied by ``alpha / rank``; None: twice the rank.
        dropout: Rate on what the change reads, while training.
        rank_stabilised: Multiply by ``alpha / sqrt(rank)`` instead (Kalajdzievski 2023).
        virtual_tokens: Rows before every text, where the kind is such.
    """

    kind: str = "lora"
    rank: int = 8
    alpha: float | None = None
    dropout: float = 0.0
    rank_stabilised: bool = False
    virtual_tokens: int = 20

    @property
    def factor(self) -> float:
        """What a low-rank change is multiplied by."""
        alpha = 2.0 * self.rank if self.alpha is None else self.alpha
        return alpha / (self.rank**0.5 if self.rank_stabilised else self.rank)


class Adapter(nn.Module, ABC):
    """A change of some output rows of a linear map.

    Args:
        spec: What it is made of.
        held: The map; it is read for its widths and stays as it is.
        rows: The output rows that are changed.
    """

    merges = True
    """Whether the map with the change is a linear map again."""

    def __init__(self, spec: AdapterSpec, held: Any, rows: Sequence[slice]) -> None:
        super().__init__()
        self.spec, self.rows = spec, tuple(rows)
        self.num_rows = sum(part.stop - part.start for part in rows)
        self.width = held.in_features

    @abstractmethod
    def forward(self, x: Float[Tensor, "*b I"], held: Any) -> Float[Tensor, "*b O"]:
        """What the map gives for ``x``, changed."""

    def merged(
        self, weight: Float[Tensor, "O I"], bias: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """Weight and bias of the map with the change in it; asked only where it ``merges``."""
        raise NotImplementedError


class Adapted(Parts, nn.Module):
    """Stands for a linear map that has adapters.

    Args:
        base: The map.

    Attributes:
        active: Name of the adapter in force; None: the map is as it was.
    """

    def __init__(self, base: nn.Module) -> None:
        super().__init__()
        self.base = base
        self.parts = dict(base.parts) if isinstance(base, Parts) else {}
        self.in_features: int = base.in_features  # type: ignore[assignment]
        self.out_features: int = base.out_features  # type: ignore[assignment]
        self.adapters = nn.ModuleDict()
        self.active: str | None = None

    def add(self, name: str, spec: AdapterSpec, rows: Sequence[slice]) -> Adapter:
        """Give the map an adapter, which is in force from now on."""
        made: Adapter = adapters.build(spec.kind, spec, self.base, rows)
        self.adapters[name] = made
        self.active = name
        return made

    def forward(self, x: Float[Tensor, "*b I"]) -> Float[Tensor, "*b O"]:
        """Rows [..., I] to rows [..., O]."""
        if self.active is None or self.active not in self.adapters:
            plain: Tensor = self.base(x)
            return plain
        changed: Tensor = self.adapters[self.active](x, self.base)
        return changed

    @torch.no_grad()
    def merge(self, name: str) -> None:
        """Put an adapter into the map's own weight; the map must be a plain one."""
        chosen: Adapter = self.adapters[name]  # type: ignore[assignment]
        base: Any = self.base
        weight, bias = chosen.merged(base.weight.detach().float(), base.bias)
        base.weight.copy_(weight)
        if bias is not None:
            base.bias.copy_(bias)


def spread(pieces: Sequence[Tensor], rows: Sequence[slice], out: Tensor) -> Tensor:
    """Pieces laid on the output rows they are for, zeros elsewhere, in the shape of ``out``."""
    if len(pieces) == 1 and pieces[0].shape == out.shape:
        return pieces[0]
    laid = torch.zeros_like(out)
    for piece, part in zip(pieces, rows, strict=True):
        laid[..., part] = piece.to(out.dtype)
    return laid


def rows_of(held: Held, rows: Sequence[slice], like: Tensor) -> Tensor:
    """The changed rows of a map's weight, one after another."""
    wide = held.widened(like)
    return torch.cat([wide[part] for part in rows])
