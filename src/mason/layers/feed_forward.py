"""The feed-forward block: where most of a Transformer's weights are."""

from jaxtyping import Float
from torch import Tensor, nn

from mason.layers.activations import activation
from mason.layers.dropout import Dropout
from mason.layers.linear import FusedLinear, Linear
from mason.layers.registry import feed_forwards
from mason.layers.specs import FeedForwardSpec


@feed_forwards.register("feed_forward")
class FeedForward(nn.Module):
    """``output(act(input(x)))``, or ``output(act(gate(x)) * up(x))`` when gated."""

    def __init__(self, spec: FeedForwardSpec, width: int) -> None:
        super().__init__()
        names = ("gate", "up") if spec.gated else ("up",)
        self.input = FusedLinear(width, dict.fromkeys(names, spec.width), bias=spec.bias)
        self.output = Linear(spec.width, width, bias=spec.bias)
        self.activation = activation(spec.activation)
        self.dropout = Dropout(spec.dropout)

    def forward(self, x: Float[Tensor, "T D"]) -> Float[Tensor, "T D"]:
        """Each row on its own."""
        first, *up = self.input.split(self.input(x))
        inner = self.activation(first)
        if up:
            inner = inner * up[0]
        out: Tensor = self.output(self.dropout(inner))
        return out
