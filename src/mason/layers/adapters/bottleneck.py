"""Bottleneck adapters (Houlsby et al. 2019, arXiv:1902.00751): a small block after a block."""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mason.errors import SettingsError
from mason.layers.adapters.adapted import Adapter, AdapterSpec
from mason.layers.dropout import Dropout
from mason.layers.registry import adapters


@adapters.register("bottleneck")
class Bottleneck(Adapter):
    """``y + up @ gelu(down @ y)`` of what the map gives; ``up`` starts at zero."""

    merges = False

    def __init__(self, spec: AdapterSpec, held: Any, rows: Sequence[slice]) -> None:
        super().__init__(spec, held, rows)
        if self.num_rows != held.out_features:
            raise SettingsError(
                "A bottleneck follows a whole linear map, not a slice of one; choose "
                "adapter.targets such as output."
            )
        self.down = nn.Parameter(torch.empty(spec.rank, self.num_rows))
        self.down_bias = nn.Parameter(torch.zeros(spec.rank))
        self.up = nn.Parameter(torch.zeros(self.num_rows, spec.rank))
        self.dropout = Dropout(spec.dropout)
        bound = self.num_rows**-0.5
        nn.init.uniform_(self.down, -bound, bound)

    def forward(self, x: Float[Tensor, "*b I"], held: Any) -> Float[Tensor, "*b O"]:
        """What the map gives, and what the small block makes of it."""
        out: Tensor = held(x)
        inner = nn.functional.linear(self.dropout(out.to(self.down.dtype)), self.down)
        added = nn.functional.linear(nn.functional.gelu(inner + self.down_bias), self.up)
        return out + added.to(out.dtype)
