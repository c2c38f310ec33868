"""Bottleneck adapters (Houlsby et al. 2019, arXiv:1902.00751): a small block after a block."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mason.layers.adapters.adapted import Adapter, AdapterSpec, spread
from mason.layers.dropout import Dropout
from mason.layers.registry import adapters


@adapters.register("bottleneck")
class Bottleneck(Adapter):
    """``y + up @ gelu(down @ y)`` of what the map gives; ``up`` starts at zero."""

    merges = False

    def __init__(self, spec: AdapterSpec, held: Any, rows: Sequence[slice]) -> None:
        super().__init__(spec, held, rows)
        self.down = nn.Parameter(torch.empty(spec.rank, self.num_rows))
        self.down_bias = nn.Parameter(torch.zeros(spec.rank))
        self.up = nn.Parameter(torch.zeros(self.num_rows, spec.rank))
        self.dropout = Dropout(spec.dropout)
        bound = self.num_rows**-0.5
        nn.init.uniform_(self.down, -bound, bound)

    def forward(self, x: Float[Tensor, "*b I"], held: Any) -> Float[Tensor, "*b O"]:
        """What the map gives, and what the small block makes of it."""
        out: Tensor = held(x)
        read = torch.cat([out[..., part] for part in self.rows], dim=-1)
        inner = nn.functional.linear(self.dropout(read.to(self.down.dtype)), self.down)
        added = nn.functional.linear(nn.functional.gelu(inner + self.down_bias), self.up)
        widths = [part.stop - part.start for part in self.rows]
        pieces = torch.split(added, widths, dim=-1)
        return out + spread(pieces, self.rows, out).to(out.dtype)
