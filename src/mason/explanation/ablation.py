"""What a model can do without: heads and layers switched off, one at a time.

A head is off when its part of what attention brings is zero (Michel et al. 2019), a layer when
its rows go on as they came. Nothing is trained again, so that a part counts as needed too where
others could learn to stand in for it.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from mason.errors import SettingsError
from mason.explanation.attention import Place, layer_by_layer, stacks_of
from mason.layers import Attention
from mason.metrics import holm, paired_bootstrap, permutation_test
from mason.metrics.groups import Groups
from mason.models.layer import Layer
from mason.models.transformer import Transformer

Scores = NDArray[np.float64]
"""One score for each row, the higher the better, [rows]."""
_SURE = 0.05
_FEWEST_DRAWS, _DRAWS_OF_EACH = 10_000, 80
"""So many that the smallest p-value there is stays sure when all parts are counted."""


@dataclass(frozen=True)
class Part:
    """What is switched off.

    Attributes:
        place: A stack's own attention, or a decoder's to its encoder; a layer has its stack's.
        layer: From 0.
        head: From 0; None: the whole layer.
    """

    place: Place
    layer: int
    head: int | None = None


@dataclass(frozen=True)
class Loss:
    """What the score does without a part.

    Attributes:
        part: What was off.
        change: Mean score without it, less the mean score of the whole model.
        low: Of its 95 % interval over the rows (paired bootstrap).
        high: The same.
        adjusted: p-value of no change (paired permutation), by Holm for all parts together.
    """

    part: Part
    change: float
    low: float
    high: float
    adjusted: float

    @property
    def sure(self) -> bool:
        """Whether the change is more than luck, all parts together."""
        return self.adjusted < _SURE


def parts_of(network: Transformer) -> list[Part]:
    """Every layer and every head, layers first.

    Raises:
        SettingsError: Its layers share one set of weights, or have attention of another class.
    """
    layers: list[Part] = []
    heads: list[Part] = []
    places: tuple[Place, ...]
    for name, stack in stacks_of(network).items():
        if stack.spec.shared:
            raise SettingsError(
                "The layers of this model share one set of weights; none can be switched off alone."
            )
        for number, layer in enumerate(stack.layers):
            layers.append(Part(name, number))
            places = (name, "cross")
            for place in places:
                block = _block(layer, place)
                if block is not None:
                    heads += [Part(place, number, head) for head in range(block.num_heads)]
    return layers + heads


def ablate(
    network: Transformer,
    whole: Scores,
    measure: Callable[[], Scores],
    parts: Sequence[Part],
    *,
    groups: Groups | None = None,
) -> list[Loss]:
    """What each part's absence does to the mean score.

    Args:
        network: It is as before when this ends.
        whole: What ``measure`` tells of the whole model.
        measure: Scores of the same rows in the same order.
        parts: What is switched off, one at a time.
        groups: What each row belongs to where those of one are alike; None: each is alone.
    """
    told = []
    for part in parts:
        with without(network, part):
            told.append(measure())
    draws = max(_FEWEST_DRAWS, _DRAWS_OF_EACH * len(parts))
    adjusted = holm(
        [permutation_test(whole, scores, groups=groups, num_draws=draws) for scores in told]
    )
    found = []
    for part, scores, p in zip(parts, told, adjusted, strict=True):
        change = paired_bootstrap(whole, scores, groups=groups)
        found.append(Loss(part, change.value, change.low, change.high, p))
    return found


@contextmanager
def without(network: Transformer, part: Part) -> Iterator[None]:
    """Let a network do without a part as long as the block runs."""
    stack = stacks_of(network)["decoder" if part.place == "cross" else part.place]
    layer = stack.layers[part.layer]
    if part.head is None:
        hook = layer.register_forward_hook(_pass_on)
    else:
        block = _block(layer, part.place)
        assert block is not None, "the part is one of parts_of"
        hook = block.output.register_forward_pre_hook(_silence(block, part.head))
    try:
        with layer_by_layer(network):
            yield
    finally:
        hook.remove()


def _pass_on(_: nn.Module, given: Sequence[Any], __: Tensor) -> Tensor:
    """What a layer got, of the rows that it was asked for."""
    rows: Tensor = given[0]
    at = given[3] if len(given) > 3 else None
    return rows if at is None else rows.index_select(0, at)


def _silence(block: Attention, head: int) -> Callable[[nn.Module, Any], tuple[Tensor]]:
    width = block.head_width

    def silence(_: nn.Module, given: Sequence[Tensor]) -> tuple[Tensor]:
        mixed = given[0].clone()
        mixed[:, head * width : (head + 1) * width] = 0
        return (mixed,)

    return silence


def _block(layer: nn.Module, place: str) -> Attention | None:
    """A layer's attention of a kind; None: it has none."""
    assert isinstance(layer, Layer)
    residual = layer.cross_attention if place == "cross" else layer.attention
    if residual is None:
        return None
    if not isinstance(residual.block, Attention):
        raise SettingsError(
            "The attention {kind} has no heads that can be switched off; make it a subclass of "
            "mason.layers.Attention.",
            kind=type(residual.block).__name__,
        )
    return residual.block
