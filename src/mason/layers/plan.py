"""How flat rows meet in attention: groups of similar length, and what each may see.

A plan is made once a batch for a pair of layouts (the same one twice for
self-attention) and used by every layer. Within a group, rows are laid out as [B, L] with
the last few slots of shorter sequences empty; outside attention nothing is padded.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mason.layers.layout import Layout, Stored
from mason.layers.slots import Slots, StoredSlots

HIDDEN = -1e30
"""Added to scores of pairs that must not meet: finite, so that a wholly hidden row of an
empty slot gives a mean instead of NaN, and exactly zero weight wherever one pair is seen."""

Bias = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Sight:
    """Which keys a query sees: all, or no later ones, or none at ``window`` and beyond."""

    causal: bool = False
    window: int | None = None


@dataclass
class Group:
    """Sequences of similar length, as [B, Q] query slots and [B, K] key slots.

    ``even``: all have K keys. ``newest``: a query's sequence ends with it, so that no key of
    its own comes later.
    """

    members: list[int]
    query_positions: Int[Tensor, "#B Q"]
    key_lengths: Int[Tensor, "B"]
    num_keys: int
    even: bool
    newest: bool

    def visible(self, sight: Sight) -> Bool[Tensor, "#B #Q K"] | None:
        """True where a query may look at a key; None where all may."""
        seen = None
        if not self.even:
            seen = (self.keys < self.key_lengths[:, None])[:, None, :]
        if sight.causal and not self.newest:
            earlier = self.keys <= self.query_positions[..., None]
            seen = earlier if seen is None else seen & earlier
        if sight.window is not None and self.num_keys > sight.window:
            near = self.distances.abs() < sight.window
            seen = near if seen is None else seen & near
        return seen

    @cached_property
    def keys(self) -> Int[Tensor, "K"]:
        """Position of each key slot."""
        return torch.arange(self.num_keys, device=self.key_lengths.device)

    @property
    def distances(self) -> Int[Tensor, "#B Q K"]:
        """Key position minus query position."""
        return self.keys - self.query_positions[..., None]


class AttentionPlan:
    """Groups of sequences for attention of ``queries`` over ``keys``."""

    def __init__(self, queries: Layout, keys: Layout) -> None:
        assert len(queries) == len(keys), "sequence i attends to sequence i"
        self.queries, self.keys = queries, keys

    # A decoding step through the compiled kernel asks for none of these.
    @cached_property
    def groups(self) -> list[Group]:
        """Sequences of similar length."""
        similar = _similar(self.queries, self.keys)
        return [_group(self.queries, self.keys, members) for members in similar]

    @cached_property
    def query_slots(self) -> Slots:
        """Where the rows of queries lie in the groups."""
        return Slots(self.queries, [group.members for group in self.groups])

    @cached_property
    def key_slots(self) -> Slots | StoredSlots:
        """Where the rows of keys lie in the groups."""
        if self.keys is self.queries:
            return self.query_slots
        return _slots(self.keys, [group.members for group in self.groups])

    def biases(self, sight: Sight, bias: Bias | None, dtype: torch.dtype) -> "Reach":
        """What to add to each group's scores: the hidden pairs and a bias on distance."""
        return Reach(self, sight, bias, dtype)


class Reach(Sequence[Tensor | None]):
    """How far queries see: what to add to each group's scores, made when it is asked for.

    Args:
        plan: The groups.
        sight: Which keys a query sees.
        bias: What their distance adds; it is learned, so that it is made at once.
        dtype: Of the scores.
    """

    def __init__(
        self, plan: AttentionPlan, sight: Sight, bias: Bias | None, dtype: torch.dtype
    ) -> None:
        self.plan, self.sight, self.bias, self.dtype = plan, sight, bias, dtype
        if bias is not None:
            _ = self._added

    def __len__(self) -> int:
        return len(self._added)

    def __getitem__(self, i: Any) -> Any:
        return self._added[i]

    @cached_property
    def _added(self) -> list[Float[Tensor, "#B #h #Q K"] | None]:
        made = self.sight, self.bias, self.dtype
        return [_bias(group, *made) for group in self.plan.groups]

    @cached_property
    def places(self) -> Int[Tensor, "T"]:
        """Which row of the cache, which holds the keys, each query's sequence has."""
        assert isinstance(self.plan.keys, Stored), "the keys are in a cache"
        return _by_row(self.plan.keys.places, self.plan.queries)

    @cached_property
    def ends(self) -> Int[Tensor, "T"]:
        """How many keys of its sequence there are up to the last that each query sees."""
        queries = self.plan.queries
        return (
            queries.positions + 1 if self.sight.causal else _by_row(self.plan.keys.lengths, queries)
        )


def _by_row(values: Sequence[int], queries: Layout) -> Int[Tensor, "T"]:
    return torch.tensor(values).repeat_interleave(torch.tensor(queries.lengths))


def _bias(group: Group, sight: Sight, bias: Bias | None, dtype: torch.dtype) -> Tensor | None:
    visible = group.visible(sight)
    if bias is None and visible is None:
        return None
    parts = []
    if bias is not None:
        parts.append(bias(group.distances).to(dtype))
    if visible is not None:
        hidden = max(HIDDEN, torch.finfo(dtype).min / 4)
        empty = torch.zeros(visible.shape, dtype=dtype, device=visible.device)
        parts.append(empty.masked_fill_(~visible, hidden)[:, None])
    return parts[0] if len(parts) == 1 else parts[0] + parts[1]


def _similar(queries: Layout, keys: Layout) -> Iterator[list[int]]:
    """Runs of sequences, by length, whose shortest wastes few slots beside its longest."""
    sizes = list(zip(queries.lengths, keys.lengths, strict=True))
    ordered = sorted(range(len(sizes)), key=lambda i: (max(sizes[i]), sizes[i]))
    run: list[int] = []
    for i in ordered:
        if run and not _close(sizes[run[0]], sizes[i]):
            yield run
            run = []
        run.append(i)
    yield run


def _close(short: tuple[int, int], long: tuple[int, int]) -> bool:
    # A third more slots costs less than another round of small products; measured on two
    # cores with 32 sequences of 5 to 128 tokens (LOG.md).
    return all(min(a, b) * 1.35 + 4 >= max(a, b) for a, b in zip(short, long, strict=True))


def _group(queries: Layout, keys: Layout, members: list[int]) -> Group:
    past = torch.tensor([queries.past[i] for i in members])
    positions = past[:, None] + torch.arange(max(queries.lengths[i] for i in members))
    if bool((past == past[0]).all()):
        positions = positions[:1]
    lengths = [keys.lengths[i] for i in members]
    return Group(
        members,
        positions.to(queries.device),
        torch.tensor(lengths, device=queries.device),
        num_keys=max(lengths),
        even=min(lengths) == max(lengths),
        newest=all(queries.past[i] + 1 >= keys.lengths[i] for i in members),
    )


def _slots(keys: Layout, members: list[list[int]]) -> Slots | StoredSlots:
    return StoredSlots(keys, members) if isinstance(keys, Stored) else Slots(keys, members)
