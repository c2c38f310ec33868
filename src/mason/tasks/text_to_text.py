"""Text to text: translation, summaries, completions. The target alone is learned."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mason.models.packed import Packed
from mason.models.transformer import Transformer, device_of
from mason.tasks.classification import smoothed_entropy

HEAD = "language"
Ids = Sequence[Sequence[int]]


@dataclass(frozen=True)
class Exchanges:
    """Texts to read, and what to write for each, as tokens.

    Attributes:
        sources: What is read. Where there is no encoder, the separator is their end.
        targets: What is written, the token that ends it included; empty where nobody knows.
        shortened: Whether either side of each was longer; empty where nobody knows.
    """

    sources: Ids
    targets: Ids
    shortened: Sequence[bool] = ()

    def __len__(self) -> int:
        return len(self.sources)

    @property
    def lengths(self) -> list[int]:
        """Tokens of each, on both sides."""
        return [len(s) + len(t) for s, t in zip(self.sources, self.targets, strict=True)]

    @property
    def columns(self) -> tuple[Ids, Ids]:
        """Every number of every example, a column at a time."""
        return self.sources, self.targets

    def cut(self, most: int) -> "Exchanges":
        """The same with at most ``most`` tokens a side."""
        return Exchanges([s[:most] for s in self.sources], [t[:most] for t in self.targets])


class TextToText:
    """Cross-entropy of every token of the target, given the source and the target before it.

    An encoder reads the source where there is one (Sutskever et al. 2014; Vaswani et al.
    2017); a lone decoder reads source and target as one text, and only rows whose next token
    is the target's are guessed (Liu et al. 2018). With smoothing, the entropy of the smoothed
    target is taken off, as in classification.
    """

    def __init__(self, exchanges: Exchanges, *, label_smoothing: float = 0.0) -> None:
        self.exchanges, self.lengths = exchanges, exchanges.lengths
        self.label_smoothing = label_smoothing

    def count(self, batch: Any) -> int:
        """Tokens of the targets."""
        return sum(len(self.exchanges.targets[int(i)]) for i in batch)

    def loss(self, model: Any, run: Sequence[int]) -> Tensor:
        """The summed cross-entropy, in fp32."""
        targets = [self.exchanges.targets[i] for i in run]
        hidden = target_rows(model, [self.exchanges.sources[i] for i in run], targets)
        right = torch.tensor([t for target in targets for t in target], device=hidden.device)
        head, smoothing = model.heads[HEAD], self.label_smoothing
        loss: Tensor = head.cross_entropy(hidden, right, label_smoothing=smoothing)
        if smoothing:
            loss = loss - len(right) * smoothed_entropy(smoothing, model.spec.vocab_size)
        return loss


def target_rows(model: Transformer, sources: Ids, targets: Ids) -> Tensor:
    """Hidden states [tokens of all targets, width], each the one that guesses its token."""
    device = device_of(model)
    if model.encoder is not None:
        target = Packed.of(targets, device=device)
        start = model.spec.special.decoder_start
        hidden: Tensor = model(
            Packed.of(sources, device=device), target.shifted(start if start is not None else 0)
        )
        return hidden
    both = Packed.of([[*s, *t] for s, t in zip(sources, targets, strict=True)], device=device)
    at = [row for row, guessed in enumerate(guessing(sources, targets)) if guessed]
    hidden = model(both, at=torch.tensor(at, device=device))
    return hidden


def guessing(sources: Ids, targets: Ids) -> list[bool]:
    """The loss mask of sources and targets end to end: True where the next token is a target's.

    That is the source's last token and the target's, all but its own last.
    """
    return [
        place >= len(source) - 1 and place < len(source) + len(target) - 1
        for source, target in zip(sources, targets, strict=True)
        for place in range(len(source) + len(target))
    ]
