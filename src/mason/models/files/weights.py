"""Weights as a read-only mapping of names to tensors that are read when asked for."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open

from mason.errors import CheckpointError
from mason.models.files.config import read_config
from mason.models.files.folders import FOREIGN, ROUNDED, find_weights, foreign_format, inside
from mason.models.files.gguf import map_tensor, read_gguf
from mason.models.files.lazy import LazyTensor
from mason.models.files.rounded import widened
from mason.models.files.safetensors_header import read_header
from mason.models.files.strict_json import read_json
from mason.models.files.tensor_bundle import SUFFIX, read_bundle

_MAX_INDEX_BYTES = 64 * 2**20
_MAPPED_BYTES = 64 * 2**20
"""Of a file, after which it is mapped anew."""


@dataclass(frozen=True)
class Weights(Mapping[str, LazyTensor]):
    """Every tensor of a model's files by its name there.

    ``metadata`` is what a GGUF file says of its model (architecture, sizes, vocabulary);
    it is empty for safetensors, where ``config.json`` says it.
    """

    tensors: Mapping[str, LazyTensor]
    metadata: Mapping[str, Any] = field(default_factory=dict)
    rounded: bool = False
    """Whether the files hold 8 bits a number, so that the model shall too."""
    tensorflow: bool = False
    """Whether names are TensorFlow's."""

    def __getitem__(self, name: str) -> LazyTensor:
        return self.tensors[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.tensors)

    def __len__(self) -> int:
        return len(self.tensors)

    def names(self) -> list[str]:
        """The names in the order of their files and bytes."""
        return list(self.tensors)

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of tensor ``name``, outermost dimension first."""
        return self.tensors[name].shape

    def dtype(self, name: str) -> torch.dtype:
        """The type `tensor` gives for ``name``."""
        return self.tensors[name].dtype

    def source(self, name: str) -> str:
        """The name of the file that holds tensor ``name``."""
        return self.tensors[name].source

    def tensor(self, name: str) -> torch.Tensor:
        """Tensor ``name`` on the CPU: mapped from safetensors, float32 from GGUF.

        Its memory is private to this process: writing to it never reaches the file.
        """
        return self.tensors[name].read()


def open_weights(path: Path) -> Weights:
    """The weights of a model's folder, or of one safetensors or GGUF file.

    Every header is checked against its file before anything is mapped, and no file that
    can run code is opened.

    Raises:
        CheckpointError: the files are missing, damaged, unsafe, or at odds with their index.
    """
    if path.is_dir():
        file = find_weights(path)
        if file.suffix != ".gguf":
            read_config(path)
    elif path.is_file():
        file = path
    else:
        raise CheckpointError("{path} is neither a folder nor a file; check the name.", path=path)
    if file.name.endswith(".safetensors.index.json"):
        return Weights(_open_shards(file))
    if file.name.endswith(SUFFIX):
        return Weights(read_bundle(file), tensorflow=True)
    if file.name == ROUNDED:
        return Weights(widened(_open_safetensors(file, _Mapped()), file), rounded=True)
    if file.suffix == ".safetensors":
        return Weights(_open_safetensors(file, _Mapped()))
    if file.suffix == ".gguf":
        return _open_gguf(file)
    if file.suffix.lower() in FOREIGN:
        raise foreign_format(file)
    raise CheckpointError(
        "{file} is not a file of weights; name a .safetensors or .gguf file, or a model's folder.",
        file=file,
    )


def num_weight_bytes(path: Path) -> int:
    """What the files take that ``open_weights`` reads a model's weights from.

    Raises:
        CheckpointError: See ``open_weights``.
    """
    folder = path if path.is_dir() else path.parent
    weights = open_weights(path)
    return sum((folder / name).stat().st_size for name in {weights.source(n) for n in weights})


class _Mapped:
    """Files that are mapped one at a time, when a tensor is asked for, and anew after some bytes.

    Pages that were read count as the process's memory as long as they are mapped: a tensor that
    is gone shall not keep those of a whole shard.
    """

    def __init__(self) -> None:
        self._path: Path | None = None
        self._handle: Any = None
        self._read = 0

    def tensor(self, path: Path, name: str) -> torch.Tensor:
        """A tensor of a file."""
        if path != self._path or self._read > _MAPPED_BYTES:
            self._handle = safe_open(path, framework="pt", device="cpu")
            self._path, self._read = path, 0
        tensor: torch.Tensor = self._handle.get_tensor(name)
        self._read += tensor.nbytes
        return tensor


def _open_safetensors(path: Path, files: _Mapped) -> dict[str, LazyTensor]:
    return {
        name: LazyTensor(entry.shape, entry.dtype, path.name, partial(files.tensor, path, name))
        for name, entry in read_header(path).items()
    }


def _open_shards(index: Path) -> dict[str, LazyTensor]:
    weight_map = read_json(index, max_bytes=_MAX_INDEX_BYTES).get("weight_map")
    if not isinstance(weight_map, dict) or not all(
        isinstance(shard, str) for shard in weight_map.values()
    ):
        raise CheckpointError(
            "{file} has no weight_map from tensors to files; fetch the file again.", file=index
        )
    tensors: dict[str, LazyTensor] = {}
    files = _Mapped()
    for shard in dict.fromkeys(weight_map.values()):
        path = inside(index.parent, shard, listed_in=index)
        for name, tensor in _open_safetensors(path, files).items():
            if weight_map.get(name) != shard:
                raise CheckpointError(
                    "{file} holds the tensor {name}, which {index} does not list there; fetch "
                    "the model again.",
                    file=path,
                    name=repr(name),
                    index=index.name,
                )
            tensors[name] = tensor
    missing = next((name for name in weight_map if name not in tensors), None)
    if missing is not None:
        raise CheckpointError(
            "{file} lists the tensor {name}, which {shard} does not hold; fetch the model again.",
            file=index,
            name=repr(missing),
            shard=weight_map[missing],
        )
    return tensors


def _open_gguf(path: Path) -> Weights:
    file = read_gguf(path)
    tensors = {
        name: LazyTensor(entry.shape, torch.float32, path.name, partial(map_tensor, file, name))
        for name, entry in file.tensors.items()
    }
    return Weights(tensors, file.metadata)
