"""A language model's answers on held-out text, beside the simplest rival."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from mason.data.corpora.store import TokenStore
from mason.runtime import return_freed_memory
from mason.text import Tokenizer
from mason.training.step import seed_step
from mason.training.world import ALONE, World

_HELD_TOKENS = 40_000
"""Most held-out tokens an evaluation reads unless it is told otherwise."""
_PASS = 8192
"""Tokens that are read at once: memory is bounded by them, whatever the number of passages."""


@torch.no_grad()
def held_scores(
    model: nn.Module, held: Any, world: World = ALONE, *, most: int | None = _HELD_TOKENS
) -> dict[str, float]:
    """Mean loss of a target on held-out text, and what else the objective can be judged by.

    An objective may have ``scores``, which gives for a run sums and counts by the name of a
    field of ``Evaluation``, its ``valid_loss`` among them. The same holes are drawn every time.
    Each process of ``world`` reads its share; the answer is the same in all. About ``most``
    tokens are read (None: all), a few thousand at once.
    """
    seed_step(0, 0)
    sums: dict[str, float] = {}
    counts: dict[str, float] = {}
    for run, counted in world.rounds(list(_runs(held.lengths, most))):
        num = held.count(run)
        if hasattr(held, "scores"):
            told = world.ask(held.scores, model, run)
        else:
            told = {"valid_loss": (float(world.ask(held.loss, model, run)), num)}
        for name, (total, of) in told.items():
            sums[name] = sums.get(name, 0.0) + total * counted
            counts[name] = counts.get(name, 0.0) + of * counted
    return {name: world.total(sums[name]) / max(1, world.total(counts[name])) for name in sums}


def held_tokens(held: Any) -> int:
    """Tokens that ``held_scores`` reads."""
    return sum(held.lengths[i] for run in _runs(held.lengths) for i in run)


@torch.no_grad()
def read_costliest(model: nn.Module, held: Any) -> None:
    """The pass of ``held_scores`` that reads most."""
    run = max(_runs(held.lengths), key=lambda run: sum(held.lengths[i] for i in run))
    held.count(run)
    held.loss(model, run)


def _runs(lengths: Sequence[int], most: int | None = _HELD_TOKENS) -> Iterator[list[int]]:
    """Passages in their order, in runs of at most ``_PASS`` tokens or a single passage."""
    run: list[int] = []
    held = read = 0
    for i, length in enumerate(lengths):
        if run and held + length > _PASS:
            yield run
            return_freed_memory()
            run, held, read = [], 0, read + held
            if most is not None and read >= most:
                return
        run.append(i)
        held += length
    if run:
        yield run


def unigram_loss(store: TokenStore, *, asked: TokenStore | None = None) -> float:
    """Mean negative log-likelihood of held-out tokens under the training tokens' frequencies.

    Args:
        store: Whose training tokens are counted.
        asked: Whose held-out tokens are guessed; None: the same store's.
    """
    known, wanted = _counts(store, held=False), _counts(asked or store, held=True)
    size = max(len(known), len(wanted))
    known = np.pad(known, (0, size - len(known))) + 1
    wanted = np.pad(wanted, (0, size - len(wanted)))
    return float(-(wanted * np.log(known / known.sum())).sum() / max(1, wanted.sum()))


def _counts(store: TokenStore, *, held: bool) -> npt.NDArray[np.int64]:
    """How often each token stands in a part of the store, up to the highest that does."""
    passages = store.passages(512, held=held)
    some = [passages[i] for i in _some(len(passages))]
    return np.bincount(np.concatenate(some)) if some else np.zeros(1, np.int64)


def bytes_per_token(tokenizer: Tokenizer, store: TokenStore) -> float:
    """UTF-8 bytes a held-out token spells."""
    passages = store.passages(512, held=True)
    ids = [passages[i].tolist() for i in _some(len(passages))]
    text = sum(len(tokenizer.decode(some).encode("utf-8")) for some in ids)
    return text / max(1, sum(map(len, ids)))


def _some(num: int, most: int = 5_000) -> range:
    return range(0, num, max(1, num // most))
