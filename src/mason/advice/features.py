"""What a model makes of texts before it is trained on them."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mason.models.packed import Packed
from mason.models.transformer import Transformer, device_of
from mason.tasks.classification import PASS, Examples, reading_passes


@torch.inference_mode()
def frozen_features(
    model: Transformer, texts: Examples, *, tokens_per_pass: int = PASS
) -> NDArray[np.float32]:
    """A vector for each text, [texts, width]: the mean over its tokens and over all layers.

    Lower layers know what the last has given up for its own task, and nobody can say beforehand
    which layer is best; their mean is nearly as good (Garbas et al. 2024). Each layer's rows
    are brought to one length first, else the last would drown the others. Of an
    encoder–decoder the encoder is asked.
    """
    device = device_of(model)
    found = np.zeros((len(texts), model.spec.width), np.float32)
    for run in reading_passes(texts.lengths, tokens_per_pass):
        found[run] = _mean_of_layers(model, texts.pack(run, device)).cpu().numpy()
    return found


def _mean_of_layers(model: Transformer, packed: Packed) -> Tensor:
    stack = model.encoder if model.encoder is not None else model.decoder
    assert stack is not None, "a model has a stack"
    layout, seen = packed.layout, []

    def look(number: int, rows: Tensor) -> None:
        if number:  # 0 are the embeddings, which know no context
            seen.append(_means(rows.float(), packed))

    stack(packed, look=look)
    assert len(layout) == len(seen[0]), "a vector for each text"
    return torch.stack(seen).mean(dim=0)


def _means(rows: Tensor, packed: Packed) -> Tensor:
    """Mean of each text's rows, their own mean length brought to 1."""
    layout = packed.layout
    rows = torch.nn.functional.layer_norm(rows, rows.shape[1:])
    sums = rows.new_zeros(len(layout), rows.shape[1]).index_add(0, layout.sequences, rows)
    return sums / torch.tensor(layout.lengths, device=rows.device)[:, None]
