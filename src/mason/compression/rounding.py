"""Weights in 4 bits that answer for each other: GPTQ (Frantar et al. 2023).

What a weight loses is made up for by those of its row that are not rounded yet, as far as the
rows that a map is given in some text tell. Texts go through the model once, and each map is
rounded the moment they reach it, so that it makes up for the maps before it too.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from mason.layers import Grid, Int4Linear, hold_in_int8, layer_maps
from mason.layers.int4 import LARGEST, grouped
from mason.layers.native.int4 import GROUP
from mason.models.packed import Packed
from mason.models.transformer import Transformer

_DAMPING = 0.01
"""Added to each input's power, as a share of their mean, so that no factor is near zero."""
_SHARES = (1.0, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7)
"""Of a group's range: where codes may end. What lies beyond loses much so that most lose less."""
_TOGETHER = 32
"""Inputs after which the others learn what these lost."""


@torch.no_grad()
def hold_in_int4_by(model: Transformer, texts: Sequence[Sequence[int]]) -> Transformer:
    """As ``mason.layers.hold_in_int4``, by what the model does with some texts.

    All go through together, so that memory holds one layer's rows of all tokens beside the
    model; 16,000 tokens are many.

    Args:
        model: A decoder; its weights are rounded.
        texts: Token ids, two at least in one of them.
    """
    model.float()
    held: dict[str, Int4Linear] = {}
    hooks = [
        linear.register_forward_pre_hook(_Rounder(name, held)) for name, linear in layer_maps(model)
    ]
    try:
        model(Packed.of([list(text) for text in texts]))
    finally:
        for hook in hooks:
            hook.remove()
    for name, module in held.items():
        model.set_submodule(name, module)
    hold_in_int8(model)
    return model


class _Rounder:
    """Rounds a linear map when rows first reach it; from then on it is what stands for it."""

    def __init__(self, name: str, held: dict[str, Int4Linear]) -> None:
        self.name, self.held = name, held

    def __call__(self, module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        if self.name in self.held:
            return
        assert isinstance(module, nn.Linear), "asked for by layer_maps"
        rows = inputs[0].reshape(-1, module.in_features).float()
        codes, grid = rounded_by(module.weight, rows.T @ rows)
        self.held[self.name] = Int4Linear.of_codes(codes, grid, module)
        module.weight.copy_(grid.values(codes))


def rounded_by(
    weight: Float[Tensor, "O I"], moments: Float[Tensor, "I I"]
) -> tuple[UInt8[Tensor, "O I"], Grid]:
    """Codes whose products with rows of these second moments are nearest to the weight's.

    Args:
        weight: Any numbers.
        moments: Sum of each row's outer product with itself.
    """
    power = moments.diagonal()
    grid = _grid(weight, power)
    order = power.argsort(descending=True)  # what matters most is rounded while all can make up
    damped = moments + torch.eye(len(power)) * (_DAMPING * power.mean()).clamp(min=1e-8)
    lower = torch.linalg.cholesky(damped[order][:, order])
    factor = torch.linalg.cholesky(torch.cholesky_inverse(lower), upper=True)
    left = weight.float().T[order].contiguous()  # an input's numbers lie together
    steps, lows = (each.float().T[order // GROUP] for each in (grid.steps, grid.lows))
    codes = torch.empty(left.shape, dtype=torch.uint8)
    for start in range(0, len(order), _TOGETHER):
        stop = min(start + _TOGETHER, len(order))
        lost = torch.empty(stop - start, len(weight))
        for i in range(start, stop):
            code = ((left[i] - lows[i]) / steps[i]).round_().clamp_(0, LARGEST)
            codes[order[i]] = code.to(torch.uint8)
            torch.div(left[i] - (code * steps[i] + lows[i]), factor[i, i], out=lost[i - start])
            left[i + 1 : stop].addr_(factor[i, i + 1 : stop], lost[i - start], alpha=-1)
        left[stop:].addmm_(factor[start:stop, stop:].T, lost, alpha=-1)
    return codes.T.contiguous(), grid


def _grid(weight: Tensor, power: Float[Tensor, "I"]) -> Grid:
    """The share of each group's range that loses least, an input counting by its power."""
    worth = power.expand_as(weight)
    best = least = None
    for share in _SHARES:
        tried = Grid.of(weight, share)
        lost = grouped((weight - tried.values(tried.codes(weight))).square() * worth).sum(2)
        if best is None or least is None:
            best, least = tried, lost
            continue
        better = lost < least
        least = torch.where(better, lost, least)
        best = Grid(
            torch.where(better, tried.steps, best.steps), torch.where(better, tried.lows, best.lows)
        )
    assert best is not None, "there are shares"
    return best
