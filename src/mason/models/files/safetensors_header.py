"""The header of a safetensors file, checked before any library maps the file.

Stricter than the format's own readers: a key may stand once only, and a tensor has at least
one element, so that no byte of the file has two readings (RELIABILITY §1.6).
"""

import math
from pathlib import Path
from typing import Any, NamedTuple

import torch

from mason.errors import CheckpointError
from mason.language import say
from mason.models.files.strict_json import parse_json

MAX_HEADER_BYTES = 100_000_000
_MAX_SIZE = 2**63 - 1
_MAX_DIMENSIONS = 8

DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U64": torch.uint64,
    "U32": torch.uint32,
    "U16": torch.uint16,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}


class Entry(NamedTuple):
    """One tensor in a header: its type, its shape, and its bytes after the header."""

    dtype: torch.dtype
    shape: tuple[int, ...]
    start: int
    end: int


def read_header(path: Path) -> dict[str, Entry]:
    """The tensors that ``path`` holds, by name, in the order of their bytes.

    Raises:
        CheckpointError: the header does not describe the file byte for byte.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(8)
        length = int.from_bytes(start, "little")
        if size < 8 or length > min(MAX_HEADER_BYTES, size - 8):
            raise _not_safetensors(path, start + file.read(56))
        text = file.read(length)
    if not text.startswith(b"{"):
        raise _not_safetensors(path, start + text[:56])
    header = parse_json(text, path)
    _check_metadata(path, header.pop("__metadata__", {}))
    entries = {name: _entry(path, name, raw) for name, raw in header.items()}
    entries = dict(sorted(entries.items(), key=lambda item: item[1].start))
    _check_tiling(path, entries, size - 8 - length)
    return entries


def _not_safetensors(path: Path, start: bytes) -> CheckpointError:
    if start.startswith(b"version https://git-lfs"):
        return CheckpointError(
            "{file} is a Git LFS pointer, not the weights; run `git lfs pull` in its folder.",
            file=path,
        )
    if start.startswith((b"PK\x03\x04", b"\x80")):
        return CheckpointError(
            "{file} is a pickle under another name; do not use this model.", file=path
        )
    return CheckpointError(
        "{file} is cut short or is not a safetensors file: its first 8 bytes do not give the "
        "length of a header; fetch the file again.",
        file=path,
    )


def _check_metadata(path: Path, metadata: object) -> None:
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise CheckpointError(
            "{file}: __metadata__ in the header is not a table of texts; fetch the file again.",
            file=path,
        )


def _entry(path: Path, name: str, raw: Any) -> Entry:
    if not isinstance(raw, dict) or raw.keys() != {"dtype", "shape", "data_offsets"}:
        raise _damaged(path, name, say("has other fields than dtype, shape and data_offsets"))
    dtype = DTYPES.get(raw["dtype"]) if isinstance(raw["dtype"], str) else None
    if dtype is None:
        raise _damaged(path, name, say("has the unknown dtype {dtype}", dtype=repr(raw["dtype"])))
    shape, offsets = raw["shape"], raw["data_offsets"]
    if not _are_sizes(shape) or not _are_sizes(offsets) or len(offsets) != 2:
        raise _damaged(path, name, say("has a shape or offsets that are not sizes"))
    if not all(shape):
        raise _damaged(path, name, say("has no elements"))
    num_bytes = math.prod(shape) * dtype.itemsize
    if num_bytes > _MAX_SIZE or num_bytes != offsets[1] - offsets[0]:
        raise _damaged(path, name, say("names more or fewer bytes than its shape needs"))
    return Entry(dtype, tuple(shape), offsets[0], offsets[1])


def _are_sizes(value: object) -> bool:
    if not isinstance(value, list) or len(value) > _MAX_DIMENSIONS:
        return False
    return all(type(v) is int and 0 <= v <= _MAX_SIZE for v in value)


def _check_tiling(path: Path, entries: dict[str, Entry], num_bytes: int) -> None:
    at = 0
    for name, entry in entries.items():
        if entry.start < at:
            raise _damaged(path, name, say("overlaps the tensor before it"))
        if entry.start > at:
            raise _damaged(path, name, say("leaves bytes before it that belong to nothing"))
        at = entry.end
    if at > num_bytes:
        raise CheckpointError(
            "{file} is cut short: its tensors need {wanted} bytes and it holds {found}; fetch "
            "the file again.",
            file=path,
            wanted=at,
            found=num_bytes,
        )
    if at < num_bytes:
        raise CheckpointError(
            "{file}: {surplus} bytes after the last tensor belong to nothing; fetch the file "
            "again.",
            file=path,
            surplus=num_bytes - at,
        )


def _damaged(path: Path, name: str, what: str) -> CheckpointError:
    return CheckpointError(
        "{file}: the tensor {name} {what}; fetch the file again.",
        file=path,
        name=repr(name),
        what=what,
    )
