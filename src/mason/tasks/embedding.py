"""Embeddings: texts as vectors whose angles say how alike they are.

Pairs compete: each text must find its own among all second texts of the batch (InfoNCE,
van den Oord et al. 2018). A batch as large as that wants to be, and larger than memory, is
embedded twice: once to see it whole, once pass by pass for the gradients (GradCache, Gao et
al. 2021); the result is that of the whole batch at once.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from mason.models.packed import Packed
from mason.models.transformer import Transformer, device_of
from mason.tasks.classification import PASS, costliest_pass, reading_passes
from mason.tasks.classification import Examples as Texts

Pooling = Literal["mean", "first", "last"]


@dataclass(frozen=True)
class Reading:
    """How a text's rows become its vector."""

    pooling: Pooling = "mean"
    normalise: bool = True


@dataclass(frozen=True)
class Examples:
    """Texts that belong together.

    Attributes:
        sides: First texts, second texts, and perhaps texts unlike the first ones.
        how: How rows become vectors.
        scores: How alike the two are, from 0 to 1; None: they belong together.
    """

    sides: tuple[Texts, ...]
    how: Reading = field(default_factory=Reading)
    scores: Sequence[float] | None = None

    def __len__(self) -> int:
        return len(self.sides[0])

    @property
    def lengths(self) -> list[int]:
        """Tokens of each example, all its texts together."""
        return [sum(sizes) for sizes in zip(*(side.lengths for side in self.sides), strict=True)]

    @property
    def columns(self) -> list[Sequence[Sequence[int]]]:
        """Every number of every example, a column at a time; scores as the bits they are."""
        texts = [column for side in self.sides for column in side.columns]
        if self.scores is None:
            return texts
        return [*texts, np.array(self.scores).view(np.int64)[:, None].tolist()]

    @property
    def tokens(self) -> Iterable[Sequence[int]]:
        """Of every text."""
        return (text for side in self.sides for text in side.tokens)

    def cut(self, most: int) -> Self:
        """The same with at most ``most`` tokens a text."""
        return replace(self, sides=tuple(side.cut(most) for side in self.sides))

    def pack(self, run: Sequence[int], device: torch.device | str = "cpu") -> Packed:
        """The texts of these examples as one flat batch: all of one side, then of the next."""
        return Packed.of([side.tokens[i] for side in self.sides for i in run], device=device)


def embed(model: Transformer, packed: Packed, how: Reading) -> Tensor:
    """A vector for each text, in fp32 [texts, width]; of an encoder–decoder, its encoder's."""
    stack = model.encoder if model.encoder is not None else model.decoder
    assert stack is not None, "a model has a stack"
    layout = packed.layout
    if how.pooling == "mean":
        hidden = stack(packed).float()
        sums = hidden.new_zeros(len(layout), hidden.shape[1])
        sums = sums.index_add(0, layout.sequences, hidden)
        found = sums / torch.tensor(layout.lengths, device=hidden.device)[:, None]
    else:
        rows = layout.first if how.pooling == "first" else layout.last
        found = stack(packed, at=rows).float()
    return F.normalize(found, dim=-1) if how.normalise else found


class EmbeddingObjective:
    """Texts that belong together are near, others far; or cosines are the scores given.

    Args:
        examples: What belongs together.
        temperature: Of cosines that compete.
    """

    def __init__(self, examples: Examples, *, temperature: float) -> None:
        self.examples, self.lengths = examples, examples.lengths
        self.temperature = temperature
        self._cached: dict[tuple[int, ...], tuple[Tensor, float, int]] = {}

    def count(self, batch: Any) -> int:
        """One target an example."""
        return len(batch)

    def begin(self, model: Any, runs: Sequence[Sequence[int]]) -> None:
        """Embed the whole batch and keep the gradients of its vectors; a lone run needs none."""
        self._cached = {}
        if len(runs) == 1 or self.examples.scores is not None:
            return
        seed = torch.initial_seed()
        with torch.no_grad():
            parts = [self._vectors(model, run, seed) for run in runs]
        # Sides first, then runs: all first texts of the batch, then all second ones.
        whole = torch.cat(parts, dim=1).requires_grad_()
        losses = self.losses(whole, [i for run in runs for i in run])
        (gradient,) = torch.autograd.grad(losses.sum(), whole)
        start = 0
        for run in runs:
            stop = start + len(run)
            share = float(losses[start:stop].detach().sum())
            self._cached[tuple(run)] = gradient[:, start:stop], share, seed
            start = stop

    def loss(self, model: Any, run: Sequence[int]) -> Tensor:
        """The summed loss of a run, each text beside all of the batch that ``begin`` has seen."""
        kept = self._cached.pop(tuple(run), None)
        if kept is None:
            return self.losses(self._vectors(model, run, None), run).sum()
        gradient, share, seed = kept
        # Its gradient is the batch's, and its value the run's part of the batch's loss.
        stands_for = (self._vectors(model, run, seed) * gradient).sum()
        return stands_for - stands_for.detach() + share

    def _vectors(self, model: Any, run: Sequence[int], seed: int | None) -> Tensor:
        """[sides, examples, width]; with a seed, what is dropped depends on it and the run."""
        if seed is not None:
            torch.manual_seed((seed + run[0]) % (1 << 63))
        found = embed(model, self.examples.pack(run, device_of(model)), self.examples.how)
        return found.reshape(len(self.examples.sides), len(run), -1)

    def losses(self, vectors: Tensor, run: Sequence[int]) -> Tensor:
        """The loss of each example of a run, from their vectors [sides, examples, width]."""
        unit = F.normalize(vectors, dim=-1)
        if self.examples.scores is not None:
            wanted = torch.tensor([self.examples.scores[i] for i in run], device=unit.device)
            return ((unit[0] * unit[1]).sum(-1) - wanted).square()
        others = unit[1:].flatten(0, 1)
        cosines = unit[0] @ others.T / self.temperature
        twins = self._twins(run).to(cosines.device)
        targets = torch.arange(len(run), device=cosines.device)
        return F.cross_entropy(cosines.masked_fill(twins, -torch.inf), targets, reduction="none")

    def _twins(self, run: Sequence[int]) -> Tensor:
        """Where a text of another example is an example's own second text, word for word."""
        texts = [tuple(side.tokens[i]) for side in self.examples.sides[1:] for i in run]
        numbers = {text: n for n, text in enumerate(dict.fromkeys(texts))}
        known = torch.tensor([numbers[text] for text in texts])
        same = known[: len(run), None] == known[None]
        same[torch.arange(len(run)), torch.arange(len(run))] = False
        return same


@torch.inference_mode()
def predict_vectors(
    model: Transformer, texts: Texts, how: Reading, *, tokens_per_pass: int = PASS
) -> npt.NDArray[np.float32]:
    """Vectors [texts, width] in the order of the texts."""
    device = device_of(model)
    found = np.zeros((len(texts), model.spec.width), np.float32)
    for run in reading_passes(texts.lengths, tokens_per_pass):
        found[run] = embed(model, texts.pack(run, device), how).cpu().numpy()
    return found


def read_costliest(model: Transformer, examples: Examples) -> None:
    """The costliest pass of ``predict_vectors``."""
    side = max(examples.sides, key=lambda side: max(side.lengths))
    embed(model, side.pack(costliest_pass(side.lengths), device_of(model)), examples.how)
