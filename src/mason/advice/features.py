"""What a model makes of texts before it is trained on them."""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mason.models.packed import Packed
from mason.models.transformer import Transformer, device_of
from mason.tasks.classification import PASS, Examples, reading_passes
from mason.tasks.tagging import Examples as Words


@torch.inference_mode()
def frozen_features(
    model: Transformer, texts: Examples, *, tokens_per_pass: int = PASS
) -> NDArray[np.float32]:
    """A vector for each text, [texts, width]: the mean over its tokens and over all layers.

    Of a model whose head reads the last token alone, that token's: what the others know is lost
    to the head too, until it has learned to bring it there.

    Lower layers know what the last has given up for its own task, and nobody can say beforehand
    which layer is best; their mean is nearly as good (Garbas et al. 2024). Each layer's rows
    are brought to one length first, else the last would drown the others. Of an
    encoder–decoder the encoder is asked.
    """
    device = device_of(model)
    found = np.zeros((len(texts), model.spec.width), np.float32)
    heads = [head.spec.pool for head in model.heads.values()]  # type: ignore[union-attr]
    last = model.encoder is None and "last" in heads
    for run in reading_passes(texts.lengths, tokens_per_pass):
        packed = texts.pack(run, device)
        at = partial(torch.index_select, dim=0, index=packed.layout.last) if last else None
        found[run] = _mean_of_layers(model, packed, at).cpu().numpy()
    return found


@torch.inference_mode()
def frozen_word_features(
    model: Transformer, words: Words, *, tokens_per_pass: int = PASS
) -> NDArray[np.float32]:
    """A vector for each word, [words, width]: the mean over all layers at its token.

    Args:
        model: See ``frozen_features``.
        words: Sentences as a tagger reads them; words are counted through all of them.
        tokens_per_pass: Most tokens that are read at once.
    """
    device = device_of(model)
    found = np.zeros((sum(words.sentences), model.spec.width), np.float32)
    for run in reading_passes(words.lengths, tokens_per_pass):
        packed = words.pack(run, device)
        starts = zip(packed.layout.starts, run, strict=True)
        rows = [start + row for start, window in starts for row in words.rows[window]]
        mine = [word for window in run for word in words.words[window]]
        at = torch.tensor(rows, dtype=torch.long, device=device)
        told = _mean_of_layers(model, packed, partial(torch.index_select, dim=0, index=at))
        found[mine] = told.cpu().numpy()
    return found


def _mean_of_layers(
    model: Transformer, packed: Packed, choose: Callable[[Tensor], Tensor] | None = None
) -> Tensor:
    """Of each text, or of the rows chosen."""
    stack = model.encoder if model.encoder is not None else model.decoder
    assert stack is not None, "a model has a stack"
    seen: list[Tensor] = []

    def look(number: int, rows: Tensor) -> None:
        if number:  # 0 are the embeddings, which know no context
            rows = torch.nn.functional.layer_norm(rows.float(), rows.shape[1:])
            seen.append(_means(rows, packed) if choose is None else choose(rows))

    stack(packed, look=look)
    return torch.stack(seen).mean(dim=0)


def _means(rows: Tensor, packed: Packed) -> Tensor:
    """Mean of each text's rows."""
    layout = packed.layout
    sums = rows.new_zeros(len(layout), rows.shape[1]).index_add(0, layout.sequences, rows)
    return sums / torch.tensor(layout.lengths, device=rows.device)[:, None]
