"""Heads: from hidden states to what a task asks for."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from mason.layers import Dropout, HeadSpec, Int8Linear, Layout, Linear, build_norm
from mason.layers.activations import activation
from mason.layers.cross_entropy import linear_cross_entropy


class Head(nn.Module):
    """Pool, dense, activation, norm, output; each only where the spec has it.

    Args:
        spec: Which parts there are.
        width: Width of the hidden states.
        outputs: Number of outputs; 0: no output matrix.
        tied: The weight [outputs, width] to use as output matrix, or None for an own one.
    """

    def __init__(
        self, spec: HeadSpec, width: int, outputs: int, *, tied: nn.Parameter | None = None
    ) -> None:
        super().__init__()
        self.spec, self.factor = spec, width**-0.5 if spec.scale else 1.0
        inner = (spec.dense_width or width) if spec.dense else width
        self.input_dropout = Dropout(spec.input_dropout, usual=False)
        self.dense = Linear(width, inner, bias=spec.dense_bias) if spec.dense else None
        self.activation = activation(spec.activation) if spec.activation else None
        self.norm = build_norm(spec.norm, inner)
        of_labels = spec.pool is not None or spec.outputs == "labels"
        self.dropout = Dropout(spec.dropout, usual=of_labels)
        self.output: nn.Module = (
            Linear(inner, outputs, bias=spec.bias) if outputs else nn.Identity()
        )
        if tied is not None:
            self.output.weight = tied

    def pool(self, hidden: Float[Tensor, "T D"], layout: Layout) -> Float[Tensor, "R D"]:
        """The rows the head reads: one a sequence, or all where it does not pool."""
        if self.spec.pool == "mean":
            sums = hidden.new_zeros(len(layout), hidden.shape[1])
            sums = sums.index_add(0, layout.sequences, hidden)
            return sums / torch.tensor(layout.lengths, device=hidden.device)[:, None]
        rows = self.rows(layout)
        return hidden if rows is None else hidden.index_select(0, rows)

    def rows(self, layout: Layout) -> Int[Tensor, "N"] | None:
        """The row of each sequence the head reads; None: it reads all."""
        return {"first": layout.first, "last": layout.last}.get(self.spec.pool or "")

    def transform(self, rows: Float[Tensor, "R D"]) -> Float[Tensor, "R I"]:
        """Everything before the output matrix."""
        x = self.input_dropout(rows)
        if self.dense is not None:
            x = self.dense(x)
        if self.activation is not None:
            x = self.activation(x)
        out: Tensor = self.dropout(self.norm(x))
        return out if self.factor == 1.0 else out * self.factor

    def forward(self, rows: Float[Tensor, "R D"]) -> Float[Tensor, "R O"]:
        """Outputs for the given rows of hidden states."""
        logits: Tensor = self.output(self.transform(rows))
        cap = self.spec.softcap
        return logits if cap is None else cap * torch.tanh(logits / cap)

    def cross_entropy(
        self,
        rows: Float[Tensor, "R D"],
        targets: Int[Tensor, "R"],
        *,
        label_smoothing: float = 0.0,
    ) -> Float[Tensor, ""]:
        """The summed cross-entropy of the right outputs; the outputs are never all held."""
        hidden, output = self.transform(rows), self.output
        assert isinstance(output, nn.Linear | Int8Linear), "a head that learns has an output matrix"
        weight = output.widened(hidden) if isinstance(output, Int8Linear) else output.weight
        return linear_cross_entropy(
            hidden,
            weight,
            output.bias,
            targets,
            label_smoothing=label_smoothing,
            softcap=self.spec.softcap,
        )
