"""Writing weights as safetensors: one file, or shards and their index."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file

from mason.errors import CheckpointError
from mason.models.files.config import write_json
from mason.models.files.folders import INDEX, SINGLE


def write_weights(
    folder: Path, tensors: Mapping[str, torch.Tensor], *, max_shard_bytes: int = 5_000_000_000
) -> None:
    """Write ``tensors`` into ``folder`` under the file names transformers looks for.

    Args:
        folder: an existing folder, best one from `writing_folder`.
        tensors: what to write, by name, on any device. A tied weight belongs here once: the
            family's table says which name.
        max_shard_bytes: begin another file before one grows beyond this; a tensor that is
            larger has a file of its own.

    Raises:
        CheckpointError: two names share memory, or a tensor has no elements.
    """
    _check_apart(tensors)
    shards = list(_shards(tensors, max_shard_bytes))
    if len(shards) == 1:
        write_file(folder / SINGLE, shards[0])
        return
    names = [f"model-{i:05d}-of-{len(shards):05d}.safetensors" for i in range(1, len(shards) + 1)]
    for name, shard in zip(names, shards, strict=True):
        write_file(folder / name, shard)
    total = sum(tensor.nbytes for tensor in tensors.values())
    weight_map = {
        tensor: name for name, shard in zip(names, shards, strict=True) for tensor in shard
    }
    write_json(
        folder / INDEX,
        {"metadata": {"total_size": total}, "weight_map": dict(sorted(weight_map.items()))},
    )


def _shards(
    tensors: Mapping[str, torch.Tensor], max_bytes: int
) -> Iterator[dict[str, torch.Tensor]]:
    shard: dict[str, torch.Tensor] = {}
    num_bytes = 0
    for name, tensor in tensors.items():
        if shard and num_bytes + tensor.nbytes > max_bytes:
            yield shard
            shard, num_bytes = {}, 0
        shard[name] = tensor
        num_bytes += tensor.nbytes
    yield shard


def write_file(path: Path, tensors: Mapping[str, torch.Tensor]) -> None:
    """Write ``tensors`` as one file of safetensors."""
    ready = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    save_file(ready, path, metadata={"format": "pt"})


def _check_apart(tensors: Mapping[str, torch.Tensor]) -> None:
    """Refuse tensors that lie over one another: a reader would get two weights for one.

    Interleaved views (the columns of a fused weight) are apart although their ranges overlap,
    so ranges are compared between contiguous tensors only, and starts between all.
    """
    end, before = 0, ""
    start_before, last_start = "", -1
    for name, tensor in sorted(tensors.items(), key=lambda item: item[1].data_ptr()):
        start = tensor.data_ptr()
        if tensor.numel() == 0:
            raise CheckpointError(
                "The tensor {name} has no elements and cannot be written; leave it out.", name=name
            )
        overlaps = tensor.is_contiguous() and start < end
        if start == last_start or overlaps:
            raise CheckpointError(
                "The tensors {first} and {second} share memory; write a tied weight once, under "
                "one name.",
                first=start_before if start == last_start else before,
                second=name,
            )
        start_before, last_start = name, start
        if tensor.is_contiguous() and start + tensor.nbytes > end:
            end, before = start + tensor.nbytes, name
