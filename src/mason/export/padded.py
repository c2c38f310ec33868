"""A model as one graph over padded batches: what runtimes that know no packing can run.

The layers are those of the packed road. What differs is said by a layout whose rows are the slots
of [B, L], and a plan in which no row moves.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from mason.errors import SettingsError
from mason.layers import AttentionPlan, Layout
from mason.layers.plan import HIDDEN
from mason.layers.slots import Slots
from mason.models.heads import Head
from mason.models.transformer import Transformer
from mason.tasks.embedding import Reading


class PaddedLayout(Layout):
    """B texts of L slots each as flat rows: what is derived of lists of lengths is not asked for.

    Args:
        batch: B.
        length: L.
    """

    def __init__(self, batch: int, length: int) -> None:
        self.batch, self.length, self.device = batch, length, torch.device("cpu")
        self.past, self.lengths = [0], [length]  # of the longest: what tables must reach

    @property
    def positions(self) -> Int[Tensor, "T"]:
        """Position of each row in its text."""
        return torch.arange(self.length).expand(self.batch, -1).reshape(-1)


class PaddedSlots(Slots):
    """Rows that are slots already.

    Args:
        layout: The rows.
    """

    def __init__(self, layout: PaddedLayout) -> None:
        self.shape = layout.batch, layout.length

    def lay(self, rows: Float[Tensor, "T h d"]) -> list[Float[Tensor, "B L h d"]]:
        """The rows as one group."""
        return [rows.unflatten(0, self.shape)]

    def pick_up(self, groups: Sequence[Float[Tensor, "B L h d"]]) -> Float[Tensor, "T h d"]:
        """The group as rows."""
        return groups[0].flatten(0, 1)


class PaddedPlan(AttentionPlan):
    """All texts are one group, and its rows are where they were.

    Args:
        layout: The rows.
    """

    def __init__(self, layout: PaddedLayout) -> None:
        self.queries = self.keys = layout
        self.query_slots = self.key_slots = PaddedSlots(layout)


class PaddedNetwork(nn.Module):
    """An encoder with a head, or as vectors, called with a padded batch.

    Padding follows the text; it changes nothing but the time it takes.

    Args:
        network: An encoder.
        head: The name of its head; None: its texts become vectors.
        reading: How, then.

    Raises:
        SettingsError: The model has a decoder.
    """

    def __init__(self, network: Transformer, head: str | None, reading: Reading | None) -> None:
        super().__init__()
        if network.encoder is None or network.decoder is not None:
            raise SettingsError(
                "This format takes encoders (BERT and its kin), and this model's topology is "
                "{topology}; mason export --format gguf takes decoders of the Llama kind.",
                topology=network.spec.topology,
            )
        self.stack, self.reading = network.encoder, reading
        self.head: Head | None = network.heads[head] if head else None  # type: ignore[assignment]

    @property
    def typed(self) -> bool:
        """Whether it is told which of two texts a token belongs to."""
        return self.stack.spec.embedding.num_token_types > 1

    @property
    def inputs(self) -> list[str]:
        """Names of what it is called with, in order."""
        return ["input_ids", "attention_mask", *(["token_type_ids"] if self.typed else [])]

    @property
    def outputs(self) -> list[str]:
        """Names of what it gives, in order; a row a text, or a row a token of each."""
        return ["logits" if self.head is not None else "embeddings"]

    @property
    def by_token(self) -> bool:
        """Whether there is a row for each token."""
        return self.head is not None and self.head.spec.pool is None

    def forward(
        self,
        input_ids: Int[Tensor, "B L"],
        attention_mask: Int[Tensor, "B L"],
        token_type_ids: Int[Tensor, "B L"] | None = None,
    ) -> Float[Tensor, "B *L O"]:
        """Logits or vectors."""
        batch, length = input_ids.shape
        seen = attention_mask.bool()
        types = None if token_type_ids is None else token_type_ids.flatten()
        rows = self._rows(input_ids.flatten(), PaddedLayout(batch, length), seen, types)
        hidden = rows.unflatten(0, (batch, length))
        if self.head is None:
            assert self.reading is not None, "vectors are read in some way"
            vectors = _pooled(hidden.float(), seen, self.reading.pooling)
            return F.normalize(vectors, dim=-1) if self.reading.normalise else vectors
        pool = self.head.spec.pool
        if pool is not None:
            out: Tensor = self.head(_pooled(hidden, seen, pool))
            return out
        return self.head(rows).unflatten(0, (batch, length))  # type: ignore[no-any-return]

    def _rows(
        self,
        tokens: Int[Tensor, "T"],
        layout: PaddedLayout,
        seen: Bool[Tensor, "B L"],
        types: Int[Tensor, "T"] | None,
    ) -> Float[Tensor, "T D"]:
        """Hidden states: the stack's own walk through its layers."""
        stack = self.stack
        x = stack.embedding(tokens, layout, types)
        biases = {kind: [self._bias(kind, layout, seen, x.dtype)] for kind in set(stack.kinds)}
        angles = {kind: rotary(layout) for kind, rotary in stack.rotary.items()}
        plan, nothing = PaddedPlan(layout), {"plan": None}
        for i, kind in enumerate(stack.kinds):
            layer = stack.layers[0 if stack.spec.shared else i]
            attend = {"plan": plan, "biases": biases[kind], "angles": angles.get(kind)}
            x = layer(x, attend, nothing)
        out: Tensor = stack.norm(x)
        return out

    def _bias(
        self, kind: str, layout: PaddedLayout, seen: Bool[Tensor, "B L"], dtype: torch.dtype
    ) -> Float[Tensor, "#B #h #L L"]:
        """What is added to scores: nothing where a key is seen, and what its distance adds."""
        stack, at = self.stack, torch.arange(layout.length)
        distances = (at - at[:, None])[None]
        visible = seen[:, None, :]
        window = stack.spec.window if kind == "local" else None
        if window is not None:
            visible = visible & (distances.abs() < window)
        bias = torch.zeros((), dtype=dtype).masked_fill(~visible, HIDDEN)[:, None]
        return bias if stack.relative is None else bias + stack.relative(distances).to(dtype)


def _pooled(
    hidden: Float[Tensor, "B L D"], seen: Bool[Tensor, "B L"], pool: str
) -> Float[Tensor, "B D"]:
    if pool == "first":
        return hidden[:, 0]
    if pool == "mean":
        kept = seen[..., None].to(hidden.dtype)
        return (hidden * kept).sum(1) / kept.sum(1)
    raise SettingsError(
        "The model reads the {pool} row of a text; this format takes models that read the first, "
        "or the mean of all.",
        pool=pool,
    )
