"""The logit lens: what a language model would say if it stopped after each of its layers.

The last norm and the output matrix are put on every layer's rows (nostalgebraist 2020). Only the
last layer was trained to be read so: what an early one says is a hint, not its opinion.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from mason.models.packed import Packed
from mason.models.transformer import Transformer

MOST = 5
"""Tokens of each layer that are told."""


@dataclass(frozen=True)
class Reading:
    """What one layer would say.

    Attributes:
        layer: 0: the embeddings, before any layer.
        top: The likeliest tokens and their probabilities, the likeliest first.
        probability: Of the token that is followed.
        rank: Of that token among all, 1 the likeliest.
    """

    layer: int
    top: tuple[tuple[int, float], ...]
    probability: float
    rank: int


@torch.no_grad()
def layer_logits(
    network: Transformer, head: str, packed: Packed, row: int
) -> Float[Tensor, "layers V"]:
    """What a head makes of one row after each layer, the embeddings first, in fp32.

    Args:
        network: With one stack.
        head: Of the language model.
        packed: What is read.
        row: Whose rows are told.
    """
    seen: list[Tensor] = []
    stack = network.decoder if network.decoder is not None else network.encoder
    assert stack is not None, "a network has a stack"
    network(packed, look=lambda _, rows: seen.append(rows[row]))
    hidden = stack.norm(torch.stack(seen))
    logits: Tensor = network.heads[head](hidden)
    return logits.float()


def lens(
    network: Transformer, head: str, packed: Packed, row: int, index: int | None = None
) -> list[Reading]:
    """What each layer would say at one row, the embeddings first.

    Args:
        network: With one stack.
        head: Of the language model.
        packed: What is read.
        row: Where.
        index: The token that is followed through the layers; None: the one that the model says.
    """
    likely = layer_logits(network, head, packed, row).softmax(-1)
    followed = int(likely[-1].argmax()) if index is None else index
    return [_reading(layer, row, followed) for layer, row in enumerate(likely)]


def _reading(layer: int, likely: Tensor, followed: int) -> Reading:
    best = likely.topk(min(MOST, len(likely)))
    top = zip(best.indices.tolist(), best.values.tolist(), strict=True)
    mine = likely[followed]
    return Reading(layer, tuple(top), float(mine), int((likely > mine).sum()) + 1)
