"""Small models of every topology with an objective of random texts, for the loop to learn."""

from dataclasses import replace

import torch

from mason.models.spec import SpecialTokens, Topology
from mason.models.transformer import Transformer
from mason.tasks.classification import ClassificationObjective, Examples
from tests.models.small import SPECS, sequences

LABELS = ("no", "perhaps", "yes")


def build(topology: Topology, seed: int = 5) -> Transformer:
    """A classifier of three labels in fp32, without dropout."""
    torch.manual_seed(seed)
    heads = {"classification": replace(SPECS[topology].heads["classification"], outputs=None)}
    special = SpecialTokens(decoder_start=1)
    spec = replace(SPECS[topology], heads=heads, labels=LABELS, special=special)
    return Transformer(spec)


def examples(num: int = 16, seed: int = 3) -> Examples:
    """Texts of 1 to 19 random tokens; the label is the residue of the first one."""
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(1, 20, (num,), generator=generator).tolist()
    tokens = sequences(lengths, seed)
    return Examples(tokens, None, [text[0] % len(LABELS) for text in tokens])


def objective(num: int = 16, seed: int = 3) -> ClassificationObjective:
    """Cross-entropy on ``examples``."""
    return ClassificationObjective(examples(num, seed))
