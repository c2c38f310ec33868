"""IA3 (Liu et al. 2022, arXiv:2205.05638): a learned factor for each value."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mason.layers.adapters.adapted import Adapter, AdapterSpec
from mason.layers.registry import adapters


@adapters.register("ia3")
class Ia3(Adapter):
    """Factors of the output rows, or of the inputs where the map ends a block; all start at 1.

    A map whose every output row is changed and that narrows its input, as the one that ends a
    feed-forward does, has its inputs scaled: so the paper's factors meet the inner values.
    """

    def __init__(self, spec: AdapterSpec, held: Any, rows: Sequence[slice]) -> None:
        super().__init__(spec, held, rows)
        whole = self.num_rows == held.out_features
        self.of_input = whole and held.in_features > held.out_features
        self.factors = nn.Parameter(torch.ones(self.width if self.of_input else self.num_rows))

    def forward(self, x: Float[Tensor, "*b I"], held: Any) -> Float[Tensor, "*b O"]:
        """What the map gives, scaled."""
        if self.of_input:
            given: Tensor = held(x * self.factors.to(x.dtype))
            return given
        out: Tensor = held(x)
        return out * self._scale(out)

    def _scale(self, like: Tensor) -> Tensor:
        pieces, start, end = [], 0, 0
        for part in self.rows:
            width = part.stop - part.start
            pieces += [like.new_ones(part.start - end), self.factors[start : start + width]]
            start, end = start + width, part.stop
        pieces.append(like.new_ones(like.shape[-1] - end))
        return torch.cat([piece.to(like.dtype) for piece in pieces])

    def merged(
        self, weight: Float[Tensor, "O I"], bias: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """The map with its rows, or its inputs, scaled."""
        if self.of_input:
            return weight * self.factors, bias
        scale = self._scale(weight[:, 0])
        return weight * scale[:, None], None if bias is None else bias * scale
