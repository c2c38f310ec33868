"""How likely a language model finds texts that follow other texts."""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from mason.generation import Decoding
from mason.models.packed import Packed
from mason.models.transformer import Transformer, device_of

Ids = Sequence[int]
_TOKENS = 4096
"""What is read at once, about."""


def follow(
    model: Transformer, reading: Decoding, texts: Sequence[Ids], following: Sequence[Sequence[Ids]]
) -> tuple[Float[Tensor, "R"], Bool[Tensor, "R"]]:
    """Each text is read once, and then each of what may follow it.

    Args:
        model: A decoder with the head ``language``.
        reading: A sequence for each text, with whatever stands before them.
        texts: At least a token each.
        following: For each text, at least one; at least a token each.

    Returns:
        The log-probability of each that follows, one text's after another's, and whether every
        token of it is the likeliest.
    """
    device, head = device_of(model), model.heads["language"]
    packed = Packed.of(texts, device=device)
    # The last row of a text guesses the first token that follows.
    last = reading.read(packed, at=packed.layout.last)
    owners = np.repeat(np.arange(len(texts)), [len(some) for some in following])
    ends = reading.fork(owners.tolist())
    wanted = Packed.of([ids for some in following for ids in some], device=device)
    hidden = ends.read(wanted)
    # The rows before its tokens: the text's last one, then its own but the last.
    rows = hidden.roll(1, 0)
    rows[wanted.layout.first] = last[torch.from_numpy(owners).to(device)]
    logits = head(rows).float()
    each = -F.cross_entropy(logits, wanted.tokens, reduction="none")
    missed = (logits.argmax(1) != wanted.tokens).to(each.dtype)
    sums, misses = (
        each.new_zeros(len(owners)).index_add(0, wanted.layout.sequences, values)
        for values in (each, missed)
    )
    return sums, misses == 0


@torch.inference_mode()
def likelihoods(model: Transformer, asked: Sequence[tuple[Ids, Ids]]) -> list[tuple[float, bool]]:
    """For each text and what follows it: the log-probability, and whether it is the likeliest.

    A text that is asked about more than once is read once.

    Args:
        model: A decoder with the head ``language``.
        asked: A text and what follows it, at least a token each.
    """
    places: dict[tuple[int, ...], list[int]] = {}
    for i, (text, _) in enumerate(asked):
        places.setdefault(tuple(text), []).append(i)
    found: list[tuple[float, bool]] = [(0.0, False)] * len(asked)
    for run in _runs(places, asked):
        following = [[asked[i][1] for i in places[text]] for text in run]
        room = max(map(len, run)) + max(len(ids) for some in following for ids in some)
        sums, likeliest = follow(model, Decoding(model, len(run), room), run, following)
        told = zip(sums.tolist(), likeliest.tolist(), strict=True)
        for text in run:
            for i in places[text]:
                found[i] = next(told)
    return found


def _runs(
    places: dict[tuple[int, ...], list[int]], asked: Sequence[tuple[Ids, Ids]]
) -> list[list[tuple[int, ...]]]:
    """Texts of similar length together, as many as hold about ``_TOKENS`` with what follows."""
    runs: list[list[tuple[int, ...]]] = []
    held = _TOKENS
    for text in sorted(places, key=len):
        size = sum(len(text) + len(asked[i][1]) for i in places[text])
        if held + size > _TOKENS:
            runs.append([])
            held = 0
        runs[-1].append(text)
        held += size
    return runs
