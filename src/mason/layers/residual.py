"""A block with its norms and its residual sum: pre, post or sandwich is data."""

from typing import Any

from torch import Tensor, nn

from mason.layers.dropout import Dropout
from mason.layers.norms import build_norm
from mason.layers.specs import NormSpec

PLACES = {"pre": ("before",), "post": ("outside",), "sandwich": ("before", "after")}
"""Where each placement has a norm: before the block, after it, or outside the sum."""


class Residual(nn.Module):
    """``outside(x + dropout(after(block(before(x)))))``; an absent norm is the identity."""

    def __init__(
        self,
        block: nn.Module,
        norm: NormSpec,
        width: int,
        *,
        placement: str,
        dropout: float,
        first_norm: bool = True,
    ) -> None:
        super().__init__()
        places = PLACES[placement]
        self.before = build_norm(norm if "before" in places and first_norm else None, width)
        self.before.feeds_products = True  # type: ignore[assignment]
        self.block = block
        self.after = build_norm(norm if "after" in places else None, width)
        self.dropout = Dropout(dropout)
        self.outside = build_norm(norm if "outside" in places else None, width)

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """Rows [T, D] to rows [T, D]; the rest goes to the block as it is."""
        added = self.block(self.before(x), *args, **kwargs)
        out: Tensor = self.outside(x + self.dropout(self.after(added)))
        return out
