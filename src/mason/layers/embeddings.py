"""From token ids to vectors."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from mason.errors import DataError
from mason.layers.dropout import Dropout
from mason.layers.layout import Layout
from mason.layers.linear import Linear
from mason.layers.norms import build_norm
from mason.layers.positions import sinusoids
from mason.layers.registry import embeddings
from mason.layers.specs import EmbeddingSpec


@embeddings.register("embedding")
class Embedding(nn.Module):
    """Token vectors, plus positions and token types where there are any."""

    waves: Tensor

    def __init__(self, spec: EmbeddingSpec, width: int) -> None:
        super().__init__()
        inner = spec.width or width
        self.spec = spec
        self.scale = inner**0.5 if spec.scale else 1.0
        self.tokens = nn.Embedding(spec.vocab_size, inner)
        self.positions: nn.Embedding | None = None
        if spec.positions == "learned":
            self.positions = nn.Embedding(spec.num_positions + spec.position_offset, inner)
        elif spec.positions == "sinusoidal":
            self.register_buffer("waves", sinusoids(spec.num_positions, inner), persistent=False)
        self.token_types = (
            nn.Embedding(spec.num_token_types, inner) if spec.num_token_types else None
        )
        self.norm = build_norm(spec.norm, inner)
        self.dropout = Dropout(spec.dropout)
        projected = spec.project or inner != width
        self.project = Linear(inner, width) if projected else nn.Identity()

    def forward(
        self,
        tokens: Int[Tensor, "T"],
        layout: Layout,
        token_types: Int[Tensor, "T"] | None = None,
    ) -> Float[Tensor, "T D"]:
        """One vector for each token.

        Raises:
            DataError: A sequence is longer than the table of positions.
        """
        # Scaled in the table's own dtype, as Gemma and Marian do.
        x = self.tokens(tokens)
        if self.scale != 1.0:
            x = x * torch.tensor(self.scale, dtype=x.dtype)
        return self.placed(x, layout, token_types)

    def placed(
        self,
        x: Float[Tensor, "T E"],
        layout: Layout,
        token_types: Int[Tensor, "T"] | None = None,
    ) -> Float[Tensor, "T D"]:
        """Token vectors with all that is added to them; see ``forward``."""
        if self.spec.positions is not None:
            x = x + self._at(layout)
        if self.token_types is not None:
            x = x + self._types(token_types)
        out: Tensor = self.project(self.dropout(self.norm(x)))
        return out

    def _at(self, layout: Layout) -> Tensor:
        longest = max(p + n for p, n in zip(layout.past, layout.lengths, strict=True))
        if longest > self.spec.num_positions:
            raise DataError(
                "A sequence has {length} tokens, but the model has {limit} positions; cut the "
                "text to {limit} tokens.",
                length=longest,
                limit=self.spec.num_positions,
            )
        if self.positions is None:
            return self.waves[layout.positions]
        at: Tensor = self.positions(layout.positions + self.spec.position_offset)
        return at

    def _types(self, token_types: Tensor | None) -> Tensor:
        assert self.token_types is not None
        if token_types is None:
            return self.token_types.weight[0]
        types: Tensor = self.token_types(token_types)
        return types
