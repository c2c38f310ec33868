"""LoRA (Hu et al. 2021, arXiv:2106.09685): a change of low rank beside a frozen weight."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mason.layers.adapters.adapted import Adapter, AdapterSpec, spread
from mason.layers.dropout import Dropout
from mason.layers.frozen import LowRank, frozen_product
from mason.layers.registry import adapters


@adapters.register("lora")
class Lora(Adapter):
    """``W + factor * up @ down`` for each slice of the output rows; ``up`` starts at zero."""

    def __init__(self, spec: AdapterSpec, held: Any, rows: Sequence[slice]) -> None:
        super().__init__(spec, held, rows)
        self.down = nn.Parameter(torch.empty(len(self.rows) * spec.rank, self.width))
        self.up = nn.Parameter(torch.zeros(self.num_rows, spec.rank))
        self.factor = spec.factor
        self.dropout = Dropout(spec.dropout)
        bound = self.width**-0.5  # PEFT's, which is that of a fresh linear map
        nn.init.uniform_(self.down, -bound, bound)

    @property
    def change(self) -> LowRank:
        """What is added to the weight."""
        return LowRank(self.down, self.up, self.factor, self.rows)

    def forward(self, x: Float[Tensor, "*b I"], held: Any) -> Float[Tensor, "*b O"]:
        """What the map gives, and what the change adds."""
        dropping = self.training and self.dropout.rate
        learned = any(p.requires_grad for p in held.parameters())
        if torch.is_grad_enabled() and not dropping and not learned:
            return frozen_product(x, held, self.change)
        out: Tensor = held(x)
        return out + self.added(self.dropout(x), out)

    def added(self, x: Tensor, out: Tensor) -> Tensor:
        """The change alone, in the shape of ``out``."""
        dtype = x.dtype if torch.is_autocast_enabled(x.device.type) else self.down.dtype
        inner = nn.functional.linear(x.to(dtype), self.down)
        pieces = [
            nn.functional.linear(inner[..., of_down], self.up[of_up]) * self.factor
            for _, of_up, of_down in self.change.pairs()
        ]
        return spread(pieces, self.rows, out).to(out.dtype)

    def delta(self) -> Float[Tensor, "R I"]:
        """The change of the changed rows, one slice after another."""
        pieces = [self.up[up] @ self.down[down] for _, up, down in self.change.pairs()]
        return torch.cat(pieces) * self.factor

    def merged(
        self, weight: Float[Tensor, "O I"], bias: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """``W`` with the change in it."""
        delta, whole = self.delta(), weight.clone()
        for of_out, of_up, _ in self.change.pairs():
            whole[of_out] += delta[of_up]
        return whole, bias
