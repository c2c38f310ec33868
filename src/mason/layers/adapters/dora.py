"""DoRA (Liu et al. 2024, arXiv:2402.09353): the length of each weight row learns apart."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mason.layers.adapters.adapted import AdapterSpec, rows_of
from mason.layers.adapters.lora import Lora
from mason.layers.registry import adapters


@adapters.register("dora")
class Dora(Lora):
    """``magnitude * (W + change) / |W + change|`` in each row, with LoRA's change."""

    def __init__(self, spec: AdapterSpec, held: Any, rows: Sequence[slice]) -> None:
        super().__init__(spec, held, rows)
        own = rows_of(held, self.rows, self.down).detach()
        self.magnitude = nn.Parameter(own.norm(dim=1))

    def forward(self, x: Float[Tensor, "*b I"], held: Any) -> Float[Tensor, "*b O"]:
        """The changed rows at their lengths; the others as they were."""
        out: Tensor = held(x)
        shift = 0.0 if held.bias is None else held.bias
        ones = torch.ones(out.shape[-1], dtype=self.magnitude.dtype, device=out.device)
        scale = ones.index_put((self._places(out),), self._scale(held))
        changed = (out - shift + self.added(self.dropout(x), out)) * scale + shift
        return changed.to(out.dtype)

    def _places(self, like: Tensor) -> Tensor:
        places = [torch.arange(part.start, part.stop, device=like.device) for part in self.rows]
        return torch.cat(places)

    def _scale(self, held: Any) -> Tensor:
        """As in the paper's 4.3, no gradient goes through the length."""
        with torch.no_grad(), torch.autocast(self.down.device.type, enabled=False):
            whole = rows_of(held, self.rows, self.down) + self.delta()
            lengths: Tensor = whole.norm(dim=1)
        return self.magnitude / lengths

    def merged(
        self, weight: Float[Tensor, "O I"], bias: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """``W`` with change and lengths in it."""
        whole, _ = super().merged(weight, bias)
        for of_out, of_up, _ in self.change.pairs():
            part = whole[of_out]
            whole[of_out] = part * (self.magnitude[of_up] / part.norm(dim=1))[:, None]
        return whole, bias
