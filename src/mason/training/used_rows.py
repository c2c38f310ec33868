"""Training of the token rows that a run's texts use, and of no others: exact, and cheaper.

A row that no text uses has the gradient zero at every step, so AdamW does nothing to it
but decay it. While a run lasts, a table of the used rows alone stands in for the whole
one; gradient, norm and optimiser then pass over a few thousand rows and not over tens of
thousands.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from mason.models.transformer import Transformer

_WORTH = 0.75
"""Share of used rows above which the whole table is trained."""


class UsedRows(nn.Module):
    """Stands in for an embedding of which only some rows will be trained.

    Its weight has the used rows and a last one of ones, the witness, whose gradient is
    always zero: what the optimiser makes of it, decay for decay, is the factor of every row
    that is not there. It lies in checkpoints and averages like any other row.

    Args:
        whole: The embedding [V, D]; left as it is until ``expand``.
        used: Numbers of the rows to train, each once.
    """

    place: Tensor
    frozen: Tensor

    def __init__(self, whole: nn.Embedding, used: Int[Tensor, "U"]) -> None:
        super().__init__()
        frozen, count = whole.weight.detach(), len(used)
        self.weight = nn.Parameter(torch.cat([frozen[used], torch.ones_like(frozen[:1])]))
        place = torch.full((len(frozen),), count, device=used.device)
        place[used] = torch.arange(count, device=used.device)
        self.register_buffer("place", place, persistent=False)
        self.register_buffer("frozen", frozen, persistent=False)

    def forward(self, tokens: Int[Tensor, "T"]) -> Float[Tensor, "T D"]:
        """The row of each token; while evaluating, rows that are not trained too."""
        place = self.place.index_select(0, tokens)
        rows = F.embedding(place, self.weight)
        if self.training:
            return rows
        absent = (place == len(self.weight) - 1)[:, None]
        return torch.where(absent, F.embedding(tokens, self.frozen) * rows, rows)

    @torch.no_grad()
    def expand(self, whole: nn.Embedding) -> None:
        """Write every row into the embedding this one stands in for."""
        absent = self.place == len(self.weight) - 1
        rows = self.weight[self.place]
        whole.weight.copy_(torch.where(absent[:, None], self.frozen * rows, rows))


@contextmanager
def training_used_rows(model: nn.Module, tokens: Iterable[int] | None) -> Iterator[None]:
    """Train only the rows of these tokens, where that is exact and worth it.

    Made for optimisers that treat each value by itself, such as AdamW. Nothing happens
    where the tokens are not known (None), most rows are used, the table is frozen, or it is
    also an output matrix, whose every row has a gradient.

    Args:
        model: Its token table is whole again afterwards, however the block ends.
        tokens: Every token of the training texts; others may come up while evaluating.
    """
    whole = _lone_table(model)
    used = torch.tensor(sorted(set(tokens or ())), dtype=torch.long)
    if whole is None or not len(used) or len(used) > _WORTH * whole.num_embeddings:
        yield
        return
    assert isinstance(model, Transformer) and model.encoder is not None
    few = UsedRows(whole, used.to(whole.weight.device))
    few.train(model.training)
    model.encoder.embedding.tokens = few
    try:
        yield
    finally:
        few.expand(whole)
        model.encoder.embedding.tokens = whole


def _lone_table(model: nn.Module) -> nn.Embedding | None:
    """The one token table of an encoder, if nothing else uses it."""
    if not isinstance(model, Transformer) or model.encoder is None or model.decoder is not None:
        return None
    table = model.encoder.embedding.tokens
    if not isinstance(table, nn.Embedding) or not table.weight.requires_grad:
        return None
    holders = [m for m in model.modules() if getattr(m, "weight", None) is table.weight]
    return table if len(holders) == 1 else None
