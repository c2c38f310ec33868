"""Probes: what a layer's vectors hold so plainly that a linear map reads it.

A probe that reads labels well may have learned them itself. So each has a control: labels that
are random but fixed, which nothing but memory for words can tell (Hewitt & Liang 2019). Selectivity
is how much better the right labels are read than the random ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mason.metrics import paired_bootstrap
from mason.models.packed import Packed
from mason.models.transformer import Transformer, device_of
from mason.tasks.classification import PASS, reading_passes

Vectors = NDArray[np.float32]
_STEPS, _CLOSE = 300, 1e-3
_STRENGTH = 0.03
"""C of logistic regression on features of unit variance: they are many, and a probe that is held
back remembers less (Hewitt & Liang 2019)."""


@dataclass(frozen=True)
class Probe:
    """What a linear map reads out of one layer, on rows it has not seen.

    Attributes:
        layer: 0: the embeddings, before any layer.
        accuracy: Of the right labels.
        control: Of the random ones.
        selectivity: The first less the second.
        low: Of its 95 % interval over the rows (paired bootstrap).
        high: The same.
    """

    layer: int
    accuracy: float
    control: float
    selectivity: float
    low: float
    high: float


@torch.inference_mode()
def layer_vectors(
    network: Transformer,
    sequences: Sequence[Sequence[int]],
    rows: Sequence[Sequence[int]] | None = None,
    *,
    tokens_per_pass: int = PASS,
) -> Vectors:
    """The vectors of every layer, the embeddings first [layers + 1, items, width].

    Args:
        network: Of an encoder–decoder, the encoder is asked.
        sequences: Tokens.
        rows: Of each sequence, those that stand for an item, as a tagger's words; None: a
            sequence is an item, and its vector the mean of its rows.
        tokens_per_pass: Most tokens that are read at once.
    """
    stack = network.encoder if network.encoder is not None else network.decoder
    assert stack is not None, "a network has a stack"
    counts = [1 if rows is None else len(some) for some in rows or sequences]
    places = np.concatenate([[0], np.cumsum(counts)])
    found = np.zeros((len(stack.kinds) + 1, int(places[-1]), network.spec.width), np.float32)
    for run in reading_passes([len(tokens) for tokens in sequences], tokens_per_pass):
        packed = Packed.of([sequences[i] for i in run], device=device_of(network))
        mine = np.concatenate([np.arange(places[i], places[i + 1]) for i in run])
        asked = None if rows is None else _rows(packed, [rows[i] for i in run])

        def keep(
            layer: int,
            states: Tensor,
            packed: Packed = packed,
            mine: NDArray[np.int64] = mine,
            asked: Tensor | None = asked,
        ) -> None:
            told = _means(states, packed) if asked is None else states[asked]
            found[layer, mine] = told.float().cpu().numpy()

        stack(packed, look=keep)
    return found


def _rows(packed: Packed, rows: Sequence[Sequence[int]]) -> Tensor:
    flat = [start + row for start, some in zip(packed.layout.starts, rows, strict=True)
            for row in some]  # fmt: skip
    return torch.tensor(flat, dtype=torch.long, device=packed.tokens.device)


def _means(states: Tensor, packed: Packed) -> Tensor:
    layout = packed.layout
    sums = states.new_zeros(len(layout), states.shape[1]).index_add(0, layout.sequences, states)
    return sums / torch.tensor(layout.lengths, device=states.device)[:, None]


def probe(
    vectors: Vectors,
    labels: Sequence[int],
    controls: Sequence[int],
    held: NDArray[np.bool_],
) -> list[Probe]:
    """Read labels and random labels out of each layer.

    Args:
        vectors: [layers, items, width].
        labels: Of each item, as numbers.
        controls: The random ones.
        held: Which items the probes are not fitted to, but measured on.
    """
    targets, random = np.asarray(labels), np.asarray(controls)
    found = []
    for layer, rows in enumerate(vectors):
        right = _right(rows, targets, held)
        memory = _right(rows, random, held)
        gain = paired_bootstrap(memory, right)
        accuracy, control = float(right.mean()), float(memory.mean())
        found.append(Probe(layer, accuracy, control, gain.value, gain.low, gain.high))
    return found


def _right(rows: Vectors, targets: NDArray[np.int64], held: NDArray[np.bool_]) -> Vectors:
    """Whether a linear map fitted to some items is right of each of the others."""
    from sklearn.linear_model import LogisticRegression

    known = targets[~held]
    if len(np.unique(known)) < 2:
        alone: Vectors = (targets[held] == known[0]).astype(np.float32)
        return alone
    middle, spread = rows[~held].mean(0), np.maximum(rows[~held].std(0), 1e-6)
    scaled = (rows - middle) / spread
    fitted = LogisticRegression(C=_STRENGTH, max_iter=_STEPS, tol=_CLOSE).fit(scaled[~held], known)
    told: Vectors = (fitted.predict(scaled[held]) == targets[held]).astype(np.float32)
    return told


def controls_of_words(words: Sequence[str], labels: Sequence[int], seed: int) -> list[int]:
    """A random label for each word that is the same wherever the word stands.

    Drawn as often as the labels themselves occur (Hewitt & Liang 2019).

    Args:
        words: One an item.
        labels: As numbers.
        seed: Of the draw.
    """
    chance, kinds = np.random.default_rng(seed), sorted(set(words))
    drawn = dict(zip(kinds, chance.choice(np.asarray(labels), len(kinds)).tolist(), strict=True))
    return [drawn[word] for word in words]


def controls_of_texts(texts: Sequence[Sequence[str]], num_labels: int, seed: int) -> list[int]:
    """A random label for each text that its words decide, whatever they mean.

    No text comes twice, so that nothing could remember a label drawn for it. Each word has
    random votes instead, and a text the label that its words together give most.

    Args:
        texts: Words of each.
        num_labels: How many labels there are.
        seed: Of the draw.
    """
    chance = np.random.default_rng(seed)
    kinds = sorted({word for words in texts for word in words})
    votes = dict(zip(kinds, chance.standard_normal((len(kinds), num_labels)), strict=True))
    none = np.zeros(num_labels)
    return [int(sum((votes[word] for word in set(words)), none).argmax()) for words in texts]
