"""GGUF: one file that holds a quantised model, its sizes and its vocabulary.

The header is read here, with every count, length and offset held against the file before
memory is set aside for it (CVE-2025-53630 and CVE-2026-7482 are readers that did not); the
``gguf`` library only turns blocks into numbers. The format is described in ggml's docs/gguf.md.
"""

import math
import mmap
import struct
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from mason.errors import CheckpointError
from mason.language import say

_MAGIC = b"GGUF"
_VERSIONS = (2, 3)
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?"}
_SCALARS |= {10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
_MAX_NAME_BYTES = 2**16
_MAX_TEXT_BYTES = 2**24
_MAX_DIMENSIONS = 4
_MAX_VALUES = 2**22  # in the whole header; the largest vocabularies need a third of it
_MAX_ALIGNMENT = 2**16
# The least that a key with its value, and a tensor's entry, take up.
_LEAST_FIELD_BYTES, _LEAST_TENSOR_BYTES = 13, 32


class Entry(NamedTuple):
    """One tensor: its shape (outermost first), ggml type, and place in the file in bytes."""

    shape: tuple[int, ...]
    type_id: int
    start: int
    num_bytes: int


@dataclass(frozen=True)
class GgufFile:
    """A checked header: ``metadata`` as plain values, ``tensors`` by name."""

    path: Path
    metadata: dict[str, Any]
    tensors: dict[str, Entry]


def read_gguf(path: Path) -> GgufFile:
    """The header of ``path``.

    Raises:
        CheckpointError: the file is not GGUF 2 or 3, is one part of several, or its header
            does not fit its bytes.
    """
    size = path.stat().st_size
    if size < 24:
        raise _damaged(path, say("it is too short to hold a header"))
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return _read(path, _Cursor(path, data))


def map_tensor(file: GgufFile, name: str) -> torch.Tensor:
    """Tensor ``name`` of ``file`` as float32."""
    from gguf.constants import GGMLQuantizationType
    from gguf.quants import dequantize

    entry = file.tensors[name]
    num_rows = math.prod(entry.shape[:-1])
    raw = np.memmap(file.path, np.uint8, "c", entry.start, (num_rows, entry.num_bytes // num_rows))
    return torch.from_numpy(dequantize(raw, GGMLQuantizationType(entry.type_id))).view(entry.shape)


class _Cursor:
    """Reads numbers and texts front to back, and never past the end."""

    def __init__(self, path: Path, data: mmap.mmap) -> None:
        self.path = path
        self.data = data
        self.at = 0
        self.num_left = _MAX_VALUES

    def left(self) -> int:
        return len(self.data) - self.at

    def take(self, num_bytes: int) -> bytes:
        if num_bytes > self.left():
            raise _damaged(self.path, say("it is cut short"))
        self.at += num_bytes
        return self.data[self.at - num_bytes : self.at]

    def numbers(self, code: str, count: int) -> tuple[Any, ...]:
        width = struct.calcsize("<" + code)
        return struct.unpack(f"<{count}{code}", self.take(count * width))

    def number(self, code: str) -> Any:
        return self.numbers(code, 1)[0]

    def text(self, max_bytes: int) -> str:
        length = self.number("Q")
        if length > max_bytes:
            raise _damaged(self.path, say("a text in it is too long"))
        try:
            return self.take(length).decode("utf-8")
        except UnicodeDecodeError:
            raise _damaged(self.path, say("a text in it is not UTF-8")) from None

    def count(self, least_bytes: int) -> int:
        """A number of things that each take ``least_bytes`` or more."""
        count: int = self.number("Q")
        self.num_left -= count
        if count * least_bytes > self.left() or self.num_left < 0:
            raise _damaged(self.path, say("it is cut short, or a count in it is too large"))
        return count

    def value(self) -> Any:
        kind = self.number("I")
        if kind == _ARRAY:
            return self.array()
        return self.text(_MAX_TEXT_BYTES) if kind == _STRING else self.number(self.code(kind))

    def array(self) -> list[Any]:
        kind = self.number("I")
        if kind == _STRING:
            return [self.text(_MAX_TEXT_BYTES) for _ in range(self.count(8))]
        code = self.code(kind)  # no list of lists: ggml's own reader refuses them too
        return list(self.numbers(code, self.count(struct.calcsize(code))))

    def code(self, kind: int) -> str:
        if kind not in _SCALARS:
            raise _damaged(self.path, say("a value in it has an unknown type"))
        return _SCALARS[kind]


def _read(path: Path, cursor: _Cursor) -> GgufFile:
    if cursor.take(4) != _MAGIC or cursor.number("I") not in _VERSIONS:
        raise _damaged(path, say("it does not begin as GGUF version 2 or 3, low byte first"))
    num_tensors = cursor.count(_LEAST_TENSOR_BYTES)
    num_fields = cursor.count(_LEAST_FIELD_BYTES)
    metadata: dict[str, Any] = {}
    for _ in range(num_fields):
        _put(path, metadata, cursor.text(_MAX_NAME_BYTES), cursor.value())
    if metadata.get("split.count", 1) != 1:
        raise CheckpointError(
            "{file} is one part of several; join them with `llama-gguf-split --merge` first.",
            file=path,
        )
    found: dict[str, Entry] = {}
    for _ in range(num_tensors):
        _put(path, found, cursor.text(_MAX_NAME_BYTES), _entry(path, cursor))
    alignment = metadata.get("general.alignment", 32)
    if type(alignment) is not int or not 0 < alignment <= _MAX_ALIGNMENT or alignment % 8:
        raise _damaged(path, say("its alignment is not a multiple of 8"))
    start = -(-cursor.at // alignment) * alignment
    placed = {name: entry._replace(start=start + entry.start) for name, entry in found.items()}
    _check_places(path, placed, alignment, len(cursor.data))
    return GgufFile(path, metadata, placed)


def _put(path: Path, found: dict[str, Any], name: str, value: Any) -> None:
    if name in found:
        raise _damaged(path, say("{name} stands in it twice", name=repr(name)))
    found[name] = value


def _entry(path: Path, cursor: _Cursor) -> Entry:
    num_dimensions = cursor.number("I")
    if num_dimensions > _MAX_DIMENSIONS:
        raise _damaged(path, say("a tensor in it has more than 4 dimensions"))
    shape = tuple(reversed(cursor.numbers("Q", num_dimensions)))
    type_id = cursor.number("I")
    layout = _layout(type_id)
    if layout is None:
        raise CheckpointError(
            "{file} holds tensors of ggml type {type}, which Mason cannot read; convert the "
            "model to F16, BF16, Q8_0 or a Q4, Q5 or Q6 type.",
            file=path,
            type=type_id,
        )
    block, block_bytes = layout
    if not all(shape) or (shape[-1] if shape else 1) % block:
        raise _damaged(path, say("a tensor in it is empty, or its rows are not whole blocks"))
    return Entry(shape, type_id, cursor.number("Q"), math.prod(shape) // block * block_bytes)


@cache
def _layout(type_id: int) -> tuple[int, int] | None:
    """Elements and bytes in a block of a ggml type; None where there is no way to read it."""
    from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType
    from gguf.quants import dequantize

    try:
        kind = GGMLQuantizationType(type_id)
        block, block_bytes = GGML_QUANT_SIZES[kind]
        dequantize(np.zeros((1, block_bytes), np.uint8), kind)
    except (ValueError, NotImplementedError):
        return None
    return block, block_bytes


def _check_places(path: Path, tensors: dict[str, Entry], alignment: int, end: int) -> None:
    at = 0
    for name, entry in sorted(tensors.items(), key=lambda item: item[1].start):
        if entry.start % alignment or entry.start < at:
            raise _damaged(path, say("the tensor {name} lies over another", name=repr(name)))
        at = entry.start + entry.num_bytes
        if at > end:
            raise _damaged(path, say("it is cut short in the tensor {name}", name=repr(name)))


def _damaged(path: Path, what: str) -> CheckpointError:
    return CheckpointError("{file}: {what}; fetch the file again.", file=path, what=what)
