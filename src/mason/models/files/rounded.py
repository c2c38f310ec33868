"""``model.int8.safetensors``: Hugging Face's names, with 8 bits a number where that loses nothing.

A matrix whose rows are whole numbers from -127 to 127 times a scale is stored as those numbers
under its name, and the scales under its name and ``.scales``; any other tensor as it is.
"""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from mason.errors import CheckpointError
from mason.layers.int8 import rounded_to_int8
from mason.models.files.folders import ROUNDED
from mason.models.files.lazy import LazyTensor
from mason.models.files.shards import save_tensors

_SCALES = ".scales"


def write_rounded(folder: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write a rounded model's ``tensors`` into ``folder``.

    Args:
        folder: an existing folder, best one from `writing_folder`.
        tensors: what to write, by name, as ordinary numbers.
    """
    stored: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        wide = tensor.detach().float().contiguous()
        if wide.dim() == 2:
            whole, scales = rounded_to_int8(wide)
            if torch.equal(whole.float() * scales[:, None], wide):
                stored |= {name: whole, name + _SCALES: scales}
                continue
        stored[name] = wide
    save_tensors(folder / ROUNDED, stored)


def widened(tensors: Mapping[str, LazyTensor], file: Path) -> dict[str, LazyTensor]:
    """What the file says, as ordinary numbers.

    Raises:
        CheckpointError: scales and whole numbers do not belong together.
    """
    found: dict[str, LazyTensor] = {}
    for name, tensor in tensors.items():
        if name.endswith(_SCALES) and name.removesuffix(_SCALES) in tensors:
            continue
        scales = tensors.get(name + _SCALES)
        if tensor.dtype is not torch.int8 and scales is None:
            found[name] = tensor
            continue
        fits = scales is not None and scales.shape == tensor.shape[:1] and len(tensor.shape) == 2
        if not fits or scales is None or tensor.dtype is not torch.int8:
            raise CheckpointError(
                "{file}: {name} has no scales that fit it, one a row; fetch the model again.",
                file=file,
                name=name,
            )
        read = partial(_multiplied, tensor.read, scales.read)
        found[name] = LazyTensor(tensor.shape, torch.float32, tensor.source, read)
    return found


def _multiplied(whole: Callable[[], Tensor], scales: Callable[[], Tensor]) -> Tensor:
    return whole().float() * scales().float()[:, None]
