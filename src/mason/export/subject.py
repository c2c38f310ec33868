"""What is exported: the parts of a model, whatever it does."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from mason.models.families import Family
from mason.models.packed import Packed
from mason.models.transformer import Transformer, device_of
from mason.tasks.embedding import Reading, embed
from mason.text import Tokenizer

Outputs = list[npt.NDArray[np.float32]]
"""Of each text: a row [O], or a row for each of its tokens [n, O]."""


@dataclass(frozen=True)
class Inputs:
    """Texts as tokens, with their segments where the model tells them apart.

    Attributes:
        tokens: Ids of each text.
        token_types: Their segments; None: all zero.
        origin: Where the texts are from, in words.
    """

    tokens: Sequence[Sequence[int]]
    token_types: Sequence[Sequence[int]] | None
    origin: str

    def __len__(self) -> int:
        return len(self.tokens)

    def some(self, run: Sequence[int]) -> "Inputs":
        """Those of these numbers."""
        types = self.token_types
        chosen = None if types is None else [types[i] for i in run]
        return Inputs([self.tokens[i] for i in run], chosen, self.origin)


@dataclass(frozen=True)
class Subject:
    """A model's parts, and what reads its outputs.

    Attributes:
        network: The Transformer.
        tokenizer: What cuts texts.
        family: In whose format it is saved.
        name: Of the model, for people.
        task: What it does.
        head: Of the network; None: its texts become vectors.
        reading: How texts become vectors, where they do.
        max_tokens: Where texts are cut; None: nowhere.
        temperature: Logits are divided by it to make probabilities.
        threshold: From which probability on a label is given, where a text has any number.
        pairs: Whether it reads pairs of texts.
        write_tokenizer: Writes tokenizer and contract into a folder.
    """

    network: Transformer
    tokenizer: Tokenizer
    family: Family
    name: str
    task: str
    head: str | None
    reading: Reading | None
    max_tokens: int | None
    temperature: float
    threshold: float | None
    pairs: bool
    write_tokenizer: Callable[[Path], None]

    @property
    def num_bytes(self) -> int:
        """What its weights take."""
        return sum(p.numel() * p.element_size() for p in self.network.parameters())

    @property
    def writes(self) -> bool:
        """Whether it goes on from a text: its answer is then the next token."""
        return self.head == "language"

    @torch.inference_mode()
    def run(self, inputs: Inputs) -> Outputs:
        """What the model itself gives."""
        packed = Packed.of(inputs.tokens, inputs.token_types, device=device_of(self.network))
        if self.head is None:
            assert self.reading is not None, "vectors are read in some way"
            return list(embed(self.network, packed, self.reading).cpu().numpy())
        at = packed.layout.last if self.writes else None
        rows = self.network.logits(self.head, packed, at=at).float().cpu()
        pools = self.writes or self.network.spec.heads[self.head].pool is not None
        parts = list(rows) if pools else list(rows.split(packed.lengths))
        return [part.numpy() for part in parts]


def generated(tokenizer: Tokenizer, count: int, *, seed: int = 0, most: int = 20) -> list[str]:
    """Texts of random words of the vocabulary, from one word to many."""
    random = np.random.default_rng(seed)
    special = set(tokenizer.special_names)
    pieces = sorted(p for p in tokenizer.vocabulary() if p not in special and p.isalpha())
    pieces = pieces or sorted(tokenizer.vocabulary())
    lengths = random.integers(1, most + 1, count)
    return [" ".join(random.choice(pieces, n)) for n in lengths]
