"""A language model's answers on held-out text, beside the simplest rival."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from mason.data.token_store import TokenStore
from mason.tasks.pretraining import MaskedLanguage
from mason.text import Tokenizer
from mason.training.step import seed_step
from mason.training.world import ALONE, World

_HELD_TOKENS = 40_000
"""Most held-out tokens an evaluation reads."""


@torch.no_grad()
def held_loss(model: nn.Module, held: Any, world: World = ALONE) -> float:
    """Mean loss of a target on held-out text; the same holes are drawn every time.

    Each process of ``world`` reads its share; the answer is the same in all.
    """
    seed_step(0, 0)
    total = num = 0.0
    for run, counts in world.rounds(list(_runs(held.lengths))):
        targets, loss = held.count(run), float(world.loss(held, model, run))
        if counts:
            num, total = num + targets, total + loss
    return world.total(total) / world.total(num)


def held_tokens(held: Any) -> int:
    """Tokens that ``held_loss`` reads."""
    return sum(held.lengths[i] for run in _runs(held.lengths) for i in run)


@torch.no_grad()
def read_costliest(model: nn.Module, held: Any) -> None:
    """The pass of ``held_loss`` that reads most."""
    run = max(_runs(held.lengths), key=lambda run: sum(held.lengths[i] for i in run))
    held.count(run)
    held.loss(model, run)


@torch.no_grad()
def question_accuracy(model: nn.Module, held: MaskedLanguage) -> float:
    """Share of held-out pairs whose question is answered right."""
    seed_step(0, 0)
    runs = list(_runs(held.lengths))
    return sum(held.right(model, run) for run in runs) / sum(map(len, runs))


def _runs(lengths: Sequence[int]) -> Iterator[list[int]]:
    read = 0
    for start in range(0, len(lengths), 16):
        run = list(range(start, min(start + 16, len(lengths))))
        yield run
        read += sum(lengths[i] for i in run)
        if read >= _HELD_TOKENS:
            return


def unigram_loss(store: TokenStore) -> float:
    """Mean negative log-likelihood of held-out tokens under the training tokens' frequencies."""
    parts = {held: store.passages(512, held=held) for held in (False, True)}
    counts = {
        held: sum(
            (np.bincount(passages[i], minlength=1 << 17) for i in _some(len(passages))),
            np.zeros(1 << 17, np.int64),
        )
        for held, passages in parts.items()
    }
    known = counts[False] + 1.0
    odds = np.log(known / known.sum())
    return float(-(counts[True] * odds).sum() / max(1, counts[True].sum()))


def bytes_per_token(tokenizer: Tokenizer, store: TokenStore) -> float:
    """UTF-8 bytes a held-out token spells."""
    passages = store.passages(512, held=True)
    ids = [passages[i].tolist() for i in _some(len(passages))]
    text = sum(len(tokenizer.decode(some).encode("utf-8")) for some in ids)
    return text / max(1, sum(map(len, ids)))


def _some(num: int, most: int = 5_000) -> range:
    return range(0, num, max(1, num // most))
