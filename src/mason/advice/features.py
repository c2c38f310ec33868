"""What a model makes of texts before it is trained on them."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mason.models.packed import Packed
from mason.models.transformer import Transformer, device_of
from mason.tasks.classification import PASS, Examples, reading_passes
from mason.tasks.tagging import Examples as Words

Reading = Callable[[Tensor], Tensor]
"""From a layer's rows, of all tokens, to one for each item."""


@torch.inference_mode()
def frozen_features(
    model: Transformer, texts: Examples, *, tokens_per_pass: int = PASS
) -> NDArray[np.float32]:
    """Readings of each text, [texts, readings, width]: the mean over its tokens and all layers.

    A model whose head reads the last token alone is read there too, before: from there it starts,
    and learns to bring what the others know.

    Lower layers know what the last has given up for its own task, and nobody can say beforehand
    which layer is best; their mean is nearly as good (Garbas et al. 2024). Each layer's rows
    are brought to one length first, else the last would drown the others. Of an
    encoder–decoder the encoder is asked.
    """
    device = device_of(model)
    heads = [head.spec.pool for head in model.heads.values()]  # type: ignore[union-attr]
    last = model.encoder is None and "last" in heads
    found = np.zeros((len(texts), 1 + last, model.spec.width), np.float32)
    for run in reading_passes(texts.lengths, tokens_per_pass):
        packed = texts.pack(run, device)
        readings: list[Reading] = [partial(_means, packed=packed)]
        if last:
            readings.insert(0, _rows_at(packed.layout.last))
        found[run] = _means_of_layers(model, packed, readings).cpu().numpy()
    return found


@torch.inference_mode()
def frozen_word_features(
    model: Transformer, words: Words, *, tokens_per_pass: int = PASS
) -> NDArray[np.float32]:
    """A reading of each word, [words, 1, width]: the mean over all layers at its token.

    Args:
        model: See ``frozen_features``.
        words: Sentences as a tagger reads them; words are counted through all of them.
        tokens_per_pass: Most tokens that are read at once.
    """
    device = device_of(model)
    found = np.zeros((sum(words.sentences), 1, model.spec.width), np.float32)
    for run in reading_passes(words.lengths, tokens_per_pass):
        packed = words.pack(run, device)
        starts = zip(packed.layout.starts, run, strict=True)
        rows = [start + row for start, window in starts for row in words.rows[window]]
        mine = [word for window in run for word in words.words[window]]
        at = torch.tensor(rows, dtype=torch.long, device=device)
        found[mine] = _means_of_layers(model, packed, [_rows_at(at)]).cpu().numpy()
    return found


def _means_of_layers(model: Transformer, packed: Packed, readings: Sequence[Reading]) -> Tensor:
    """The mean over the layers of each reading, [items, readings, width]."""
    stack = model.encoder if model.encoder is not None else model.decoder
    assert stack is not None, "a model has a stack"
    seen: list[Tensor] = []

    def look(number: int, rows: Tensor) -> None:
        if number:  # 0 are the embeddings, which know no context
            rows = torch.nn.functional.layer_norm(rows.float(), rows.shape[1:])
            seen.append(torch.stack([read(rows) for read in readings], dim=1))

    stack(packed, look=look)
    return torch.stack(seen).mean(dim=0)


def _rows_at(places: Tensor) -> Reading:
    return lambda rows: rows[places]


def _means(rows: Tensor, packed: Packed) -> Tensor:
    """Mean of each text's rows."""
    layout = packed.layout
    sums = rows.new_zeros(len(layout), rows.shape[1]).index_add(0, layout.sequences, rows)
    return sums / torch.tensor(layout.lengths, device=rows.device)[:, None]
