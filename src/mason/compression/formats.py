"""In which few bits a model is held: what rounds it at the end, and while it learns."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

from torch import nn

from mason.compression.learned_rounding import GroupRounding, RowRounding
from mason.compression.rounding import hold_in_int4_by
from mason.layers import hold_in_int8, layer_maps
from mason.models.eight_bits import hold_in_eight_bits
from mason.models.transformer import Transformer
from mason.training.used_rows import UsedRows

Tokens = Sequence[Sequence[int]]
_TABLES = ("tokens", "positions")


class Format(ABC):
    """A way to hold a model in few bits."""

    def held(self, model: Transformer, bits: int, texts: Tokens) -> Transformer:
        """A copy of a model in this format.

        Args:
            model: Left as it is.
            bits: 8 or 4.
            texts: What it reads, as tokens, for whoever rounds by it.
        """
        return self.hold(copy.deepcopy(model), bits, texts)

    @abstractmethod
    def hold(self, model: Transformer, bits: int, texts: Tokens) -> Transformer:
        """The same in place."""

    @abstractmethod
    def roundings(self, model: Transformer, bits: int) -> dict[nn.Module, nn.Module]:
        """What rounds the weight of each module in the same way while the model learns."""


class RowsAndWeights(Format):
    """Rows and weights as whole numbers, heads' last maps left out: for models that answer."""

    def hold(self, model: Transformer, bits: int, texts: Tokens) -> Transformer:
        """See ``hold_in_eight_bits``; the texts are not asked."""
        return hold_in_eight_bits(model, bits=bits)

    def roundings(self, model: Transformer, bits: int) -> dict[nn.Module, nn.Module]:
        """Of every weight that is rounded; rows stay as they are while it learns."""
        return {m: RowRounding(_weight(m), bits) for m in self._rounded(model)}

    def _rounded(self, model: Transformer) -> Iterator[nn.Module]:
        answers = {head.output for head in model.heads.values() if not head.spec.tied}  # type: ignore[union-attr]
        for name, module in model.named_modules():
            named = name.rpartition(".")[2] in _TABLES
            table = named and isinstance(module, nn.Embedding | UsedRows)
            if table or (isinstance(module, nn.Linear) and module not in answers):
                yield module


class Weights(Format):
    """Weights alone, those of layers in 4 bits by groups: for models that write."""

    def hold(self, model: Transformer, bits: int, texts: Tokens) -> Transformer:
        """Each weight to the nearest in 8 bits; 4 by what the model does with the texts."""
        if bits == 4:
            return hold_in_int4_by(model, texts)
        hold_in_int8(model)
        return model.eval().requires_grad_(False)

    def roundings(self, model: Transformer, bits: int) -> dict[nn.Module, nn.Module]:
        """Of the maps of layers."""
        if bits == 4:
            return {linear: GroupRounding() for _, linear in layer_maps(model)}
        return {linear: RowRounding(linear.weight, bits) for _, linear in layer_maps(model)}


def _weight(module: nn.Module) -> nn.Parameter:
    found = module.weight
    assert isinstance(found, nn.Parameter), "learns"
    return found
