"""Guesses of the tokens to come, which the model checks in one go (Leviathan et al. 2023)."""

from collections.abc import Sequence
from typing import Protocol

from mason.generation.decoding import prefill, start_decoding
from mason.models.packed import Packed
from mason.models.transformer import Transformer, device_of

_LONGEST = 3
"""Tokens of the longest run that is looked up; longer runs find less and guess no better."""


class Drafter(Protocol):
    """What guesses; sequences are numbered as in the decoding it helps."""

    def propose(self, texts: Sequence[Sequence[int]], count: int) -> list[list[int]]:
        """Up to ``count`` tokens to follow each text."""

    def keep(self, sequences: Sequence[int]) -> None:
        """Go on with these sequences, numbered from 0 in the order given; one may come twice."""


class PromptLookup:
    """What followed the last tokens when they stood in the text before (Saxena 2023).

    Args:
        prompts: Tokens of each prompt, looked through as well where the decoder does not read
            them itself.
    """

    def __init__(self, prompts: Sequence[Sequence[int]]) -> None:
        self.prompts = list(prompts)

    def propose(self, texts: Sequence[Sequence[int]], count: int) -> list[list[int]]:
        """See ``Drafter``."""
        return [
            _followed([*prompt, *text], len(text), count)
            for prompt, text in zip(self.prompts, texts, strict=True)
        ]

    def keep(self, sequences: Sequence[int]) -> None:
        """See ``Drafter``."""
        self.prompts = [self.prompts[i] for i in sequences]


def _followed(text: list[int], own: int, count: int) -> list[int]:
    """What followed the latest earlier place of the longest run that ends the text."""
    for size in range(min(_LONGEST, own), 0, -1):
        run = text[-size:]
        for start in range(len(text) - size - 1, -1, -1):
            if text[start] == run[0] and text[start : start + size] == run:
                return text[start + size : start + size + count]
    return []


class DraftModel:
    """A smaller model's likeliest tokens.

    Args:
        model: It has the same vocabulary.
        prompts: Tokens of each prompt.
        max_new_tokens: Most tokens to add to each.
    """

    def __init__(
        self, model: Transformer, prompts: Sequence[Sequence[int]], max_new_tokens: int
    ) -> None:
        self.model = model
        self.decoding, first = start_decoding(model, prompts, max_new_tokens)
        prefill(self.decoding, first, None)
        self.read = first
        """What the model has read of each sequence."""

    def propose(self, texts: Sequence[Sequence[int]], count: int) -> list[list[int]]:
        """See ``Drafter``."""
        for i, text in enumerate(texts):
            self.read[i] = self.read[i][: _num_alike(self.read[i], text[:-1])]
        self.decoding.forget([len(read) for read in self.read])
        room = self.decoding.capacity - max(map(len, texts))
        pieces = [list(t[len(read) :]) for t, read in zip(texts, self.read, strict=True)]
        drafts: list[list[int]] = [[] for _ in texts]
        for _ in range(min(count, room)):
            packed = Packed.of(pieces, device=device_of(self.model))
            rows = self.decoding.read(packed, at=packed.layout.last)
            for read, piece in zip(self.read, pieces, strict=True):
                read.extend(piece)
            tokens = self.decoding.logits(rows).argmax(-1).tolist()
            for draft, token in zip(drafts, tokens, strict=True):
                draft.append(token)
            pieces = [[token] for token in tokens]
        return drafts

    def keep(self, sequences: Sequence[int]) -> None:
        """See ``Drafter``."""
        self.decoding.keep(sequences)
        self.read = [list(self.read[i]) for i in sequences]


def _num_alike(ours: Sequence[int], theirs: Sequence[int]) -> int:
    # What was read last may be a guess that was wrong; the rest is as it was.
    for number, (a, b) in enumerate(zip(ours, theirs, strict=False)):
        if a != b:
            return number
    return min(len(ours), len(theirs))
