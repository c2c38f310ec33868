"""What a model can best do without, asked of the task's own examples.

A neuron's or head's importance is how much the loss would change, to first order, without it:
the gradient of what it gives times what it gives (Michel et al. 2019, Molchanov et al. 2019).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from mason.compression.shrinking import without_layers
from mason.models.transformer import Transformer
from mason.training.state import Objective


@dataclass(frozen=True)
class Importance:
    """How much each part is worth, layer by layer.

    Attributes:
        neurons: Of the feed-forward blocks [layers, neurons].
        heads: Of attention, query heads that share keys together [layers, key heads].
    """

    neurons: Tensor
    heads: Tensor

    def best_neurons(self, layers: Sequence[int], count: int) -> list[Tensor]:
        """The numbers of the ``count`` neurons of most worth in each of some layers, in order."""
        return [_best(self.neurons[i], count) for i in layers]

    def best_heads(self, layers: Sequence[int], count: int) -> list[Tensor]:
        """The same of key heads."""
        return [_best(self.heads[i], count) for i in layers]


def _best(worth: Tensor, count: int) -> Tensor:
    return worth.topk(count).indices.sort().values


def importance_of(
    model: Transformer, objective: Objective, runs: Sequence[Sequence[int]]
) -> Importance:
    """Ask some examples.

    Args:
        model: Left as it is.
        objective: Whose loss counts.
        runs: Numbers of examples, as they are read together.
    """
    stack = model.encoder or model.decoder
    assert stack is not None, "a model needs a stack"
    attention = stack.spec.attention
    groups = attention.num_kv_heads or attention.num_heads
    layers: list[Any] = list(stack.layers)
    inner = [_Listener(layer.feed_forward.block.output) for layer in layers]
    mixed = [_Listener(layer.attention.block.output) for layer in layers]
    try:
        with torch.enable_grad():
            for run in runs:
                objective.loss(model, run).backward()
        neurons = torch.stack([listener.worth for listener in inner])
        heads = torch.stack(
            [listener.worth.unflatten(0, (groups, -1)).sum(1) for listener in mixed]
        )
    finally:
        for listener in inner + mixed:
            listener.hook.remove()
        model.zero_grad(set_to_none=True)
    return Importance(neurons, heads)


class _Listener:
    """Adds up |what goes into a map × its gradient|, feature by feature."""

    def __init__(self, module: nn.Linear) -> None:
        self.worth = torch.zeros(module.in_features)
        self.hook = module.register_forward_pre_hook(self._hear)

    def _hear(self, module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        heard = inputs[0]

        def add(gradient: Tensor) -> None:
            worth = (gradient * heard.detach()).float().abs().sum(0)
            self.worth += worth.cpu()

        heard.register_hook(add)


def least_needed_layers(
    model: Transformer, loss: Callable[[Transformer], float], count: int
) -> list[int]:
    """The ``count`` layers that are missed least.

    One after another is taken out for good: the one whose loss is least, nothing being learned
    in between.

    Args:
        model: Left as it is.
        loss: Of a model, on examples.
        count: How many; a layer at least is left.
    """
    spec = model.spec.input_stack
    left, order = list(range(spec.depth)), list[int]()
    fixed = 0 if spec.first_norm else 1  # a first layer without its norm cannot be another's
    while len(order) < count and len(left) > fixed + 1:
        losses = {i: loss(without_layers(model, [j for j in left if j != i])) for i in left[fixed:]}
        order.append(min(losses, key=lambda i: losses[i]))
        left.remove(order[-1])
    return order
