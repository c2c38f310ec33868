"""One layer of a stack."""

from collections.abc import Mapping
from typing import Any

from jaxtyping import Float, Int
from torch import Tensor, nn

from mason.layers import Residual, StackSpec, attentions, feed_forwards


class Layer(nn.Module):
    """Self-attention, perhaps cross-attention, feed-forward; each with norms and sum.

    Args:
        spec: What the blocks are.
        width: Width of the rows.
        first_norm: False: no norm before self-attention.
    """

    cross_attention: Residual | None

    def __init__(self, spec: StackSpec, width: int, *, first_norm: bool) -> None:
        super().__init__()

        def residual(block: nn.Module, first_norm: bool = True) -> Residual:
            return Residual(
                block,
                spec.norm,
                width,
                placement=spec.placement,
                dropout=spec.dropout,
                first_norm=first_norm,
            )

        attention = spec.attention
        self.attention = residual(attentions.build(attention.kind, attention, width), first_norm)
        self.cross_attention = None
        if spec.cross:
            cross = attentions.build(attention.kind, attention, width, cross=True)
            self.cross_attention = residual(cross)
        inner = feed_forwards.build(spec.feed_forward.kind, spec.feed_forward, width)
        self.feed_forward = residual(inner)

    def forward(
        self,
        x: Float[Tensor, "T D"],
        attend: Mapping[str, Any],
        cross: Mapping[str, Any],
        at: Int[Tensor, "R"] | None = None,
    ) -> Float[Tensor, "R D"]:
        """One layer on; ``attend`` and ``cross`` are what the two attentions take.

        Rows meet in attention alone, so after it only those ``at`` are computed on.
        """
        x = self.attention(x, **attend)
        if self.cross_attention is not None:
            assert cross["plan"] is not None, "a stack that crosses needs a source"
            x = self.cross_attention(x, **cross)
        out: Tensor = self.feed_forward(x if at is None else x.index_select(0, at))
        return out
