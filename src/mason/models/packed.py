"""A batch as one flat run of tokens with offsets: nothing is padded."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from mason.errors import DataError
from mason.layers import Layout


@dataclass(frozen=True)
class Packed:
    """N sequences of T tokens in all.

    Attributes:
        tokens: Token ids, one sequence after another.
        layout: Where each sequence lies.
        token_types: BERT's segment of each token; None: all zero.
    """

    tokens: Int[Tensor, "T"]
    layout: Layout
    token_types: Int[Tensor, "T"] | None = None

    @classmethod
    def of(
        cls,
        sequences: Sequence[Sequence[int]],
        token_types: Sequence[Sequence[int]] | None = None,
        *,
        device: torch.device | str = "cpu",
    ) -> "Packed":
        """Pack lists of token ids end to end."""
        types = _flat(token_types, device) if token_types is not None else None
        layout = Layout([len(s) for s in sequences], device=device)
        return cls(_flat(sequences, device), layout, types)

    @classmethod
    def from_padded(
        cls,
        tokens: Int[Tensor, "B L"],
        mask: Int[Tensor, "B L"] | Bool[Tensor, "B L"] | None = None,
        token_types: Int[Tensor, "B L"] | None = None,
    ) -> "Packed":
        """Drop the padding of a [B, L] batch, wherever it is.

        Args:
            tokens: Token ids.
            mask: True or 1 at tokens; None: there is no padding.
            token_types: BERT's segments.

        Raises:
            DataError: A row has no token.
        """
        kept = torch.ones_like(tokens, dtype=torch.bool) if mask is None else mask.bool()
        lengths = kept.sum(1).tolist()
        if 0 in lengths:
            raise DataError(
                "Row {row} of the batch has no token: its attention mask is 0 everywhere; leave "
                "the row out.",
                row=lengths.index(0) + 1,
            )
        layout = Layout(lengths, device=tokens.device)
        return cls(tokens[kept], layout, None if token_types is None else token_types[kept])

    @property
    def lengths(self) -> list[int]:
        """Tokens of each sequence."""
        return self.layout.lengths

    def shifted(self, start: int) -> "Packed":
        """Each sequence moved one place right behind ``start``: a decoder's input."""
        tokens = self.tokens.roll(1)
        tokens[self.layout.first] = start
        return Packed(tokens, self.layout)


def _flat(sequences: Sequence[Sequence[int]], device: torch.device | str) -> Tensor:
    joined = [item for sequence in sequences for item in sequence]
    return torch.tensor(joined, dtype=torch.long, device=device)
