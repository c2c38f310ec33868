"""``model.int8.safetensors``: Hugging Face's names, with 8 bits a number where that loses nothing.

A matrix whose rows are whole numbers from -127 to 127 times a scale is stored as those numbers
under its name, and the scales under its name and ``.scales``; any other tensor as it is. Numbers
from -7 to 7 are stored plus 8, two a byte, the first in its lower half.

Of a matrix in which two of every four numbers are zero the others are stored, and where they stand
under its name and ``.places``: two bits a number, the first in the lowest, two groups a byte.
"""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from mason.errors import CheckpointError
from mason.layers.int8 import FEW_STEPS, rounded_to_int8
from mason.models.files.folders import ROUNDED
from mason.models.files.lazy import LazyTensor
from mason.models.files.shards import write_file

_SCALES, _PLACES = ".scales", ".places"


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
                halves = _halved(whole)
                if halves is not None:
                    whole, stored[name + _PLACES] = halves
                stored |= {name: _packed(whole), name + _SCALES: scales}
                continue
        stored[name] = wide
    write_file(folder / ROUNDED, stored)


def widened(tensors: Mapping[str, LazyTensor], file: Path) -> dict[str, LazyTensor]:
    """What the file says, as ordinary numbers.

    Raises:
        CheckpointError: scales and whole numbers do not belong together.
    """
    found: dict[str, LazyTensor] = {}
    for name, tensor in tensors.items():
        if any(name.endswith(s) and name.removesuffix(s) in tensors for s in (_SCALES, _PLACES)):
            continue
        places = tensors.get(name + _PLACES)
        scales = tensors.get(name + _SCALES)
        if tensor.dtype not in (torch.int8, torch.uint8) and scales is None:
            found[name] = tensor
            continue
        fits = scales is not None and scales.shape == tensor.shape[:1] and len(tensor.shape) == 2
        if not fits or scales is None or tensor.dtype not in (torch.int8, torch.uint8):
            raise CheckpointError(
                "{file}: {name} has no scales that fit it, one a row; fetch the model again.",
                file=file,
                name=name,
            )
        rows, columns = tensor.shape
        columns *= 2 if tensor.dtype is torch.uint8 else 1
        if places is not None:
            if (
                places.dtype is not torch.uint8
                or places.shape != (rows, columns // 4)
                or columns % 4
            ):
                raise CheckpointError(
                    "{file}: {name} has no places that fit it; fetch the model again.",
                    file=file,
                    name=name,
                )
            columns *= 2
        shape, at = (rows, columns), places.read if places is not None else None
        read = partial(_multiplied, tensor.read, scales.read, at)
        found[name] = LazyTensor(shape, torch.float32, tensor.source, read)
    return found


def _packed(whole: Tensor) -> Tensor:
    if whole.shape[1] % 2 or int(whole.abs().max()) > FEW_STEPS:
        return whole
    pairs = (whole + 8).to(torch.uint8)
    return pairs[:, 0::2] | pairs[:, 1::2] << 4


def _unpacked(whole: Tensor) -> Tensor:
    if whole.dtype is torch.int8:
        return whole
    return torch.stack([whole & 15, whole >> 4], dim=2).flatten(1).to(torch.int8) - 8


def _halved(whole: Tensor) -> tuple[Tensor, Tensor] | None:
    """What two of every four numbers are, and their places; None where more are not zero."""
    if whole.shape[1] % 8:
        return None
    groups = whole.unflatten(1, (-1, 4))
    held = groups != 0
    if int(held.sum(2).max()) > 2:
        return None
    # Those that are not zero come first; both in order.
    places = held.to(torch.uint8).topk(2, dim=2).indices.sort(2).values
    values = groups.gather(2, places).flatten(1)
    fours = (places[..., 0] | places[..., 1] << 2).to(torch.uint8)
    return values, fours[:, 0::2] | fours[:, 1::2] << 4


def _spread(values: Tensor, places: Tensor) -> Tensor:
    fours = torch.stack([places & 15, places >> 4], dim=2).flatten(1)
    at = torch.stack([fours & 3, fours >> 2], dim=2).long()
    room = values.new_zeros(*at.shape[:2], 4)
    return room.scatter_(2, at, values.view(at.shape)).flatten(1)


def _multiplied(
    whole: Callable[[], Tensor],
    scales: Callable[[], Tensor],
    places: Callable[[], Tensor] | None,
) -> Tensor:
    values = _unpacked(whole())
    if places is not None:
        values = _spread(values, places())
    return values.float() * scales().float()[:, None]
