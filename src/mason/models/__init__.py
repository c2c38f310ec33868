"""Models: one spec, one Transformer, families as tables, files read with suspicion."""

from mason.models.packed import Packed
from mason.models.spec import ModelSpec, SpecialTokens
from mason.models.transformer import Transformer, num_parameters

__all__ = ["ModelSpec", "Packed", "SpecialTokens", "Transformer", "num_parameters"]
