"""TensorFlow's checkpoints: ``NAME.index`` says which bytes of ``NAME.data-…`` each tensor has.

The index is a sorted table of LevelDB's format (its doc/table_format.md): blocks of keys that
share their beginnings, each block with a checksum. A key is a tensor's name, its value a message
of protocol buffers (tensor_bundle.proto). Nothing in either can run, and every number is held
against the files before it is used. What is read is numbers alone: a checkpoint's ``.meta``, the
graph, is left closed.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import torch

from mason.errors import CheckpointError
from mason.language import say
from mason.models.files.folders import inside
from mason.models.files.lazy import LazyTensor

SUFFIX = ".index"
_MAGIC = 0xDB4775248B80FB57.to_bytes(8, "little")
_FOOTER_BYTES, _TRAILER_BYTES = 48, 5
_MAX_INDEX_BYTES = 4 * 2**20  # a hundred times that of the largest BERT
_MAX_NAME_BYTES, _MAX_SHARDS, _MAX_DIMENSIONS = 4096, 10_000, 8
_DTYPES = {
    1: torch.float32,
    2: torch.float64,
    3: torch.int32,
    9: torch.int64,
    14: torch.bfloat16,
    19: torch.float16,
}
"""Numbers of DataType (types.proto), as far as weights have them."""
_Fields = dict[int, list[int | bytes]]


@dataclass(frozen=True)
class _Entry:
    """One tensor: its type and shape, and its bytes in a file of data."""

    dtype: torch.dtype
    shape: tuple[int, ...]
    shard: int
    start: int
    num_bytes: int


def read_bundle(index: Path) -> dict[str, LazyTensor]:
    """Every tensor of a checkpoint by its name there.

    Raises:
        CheckpointError: The index is damaged or compressed, or does not fit its data.
    """
    if not _FOOTER_BYTES <= index.stat().st_size <= _MAX_INDEX_BYTES:
        raise _damaged(index, say("it is too short or too long to be one"))
    table = _Table(index, index.read_bytes())
    rows = dict(table.rows())
    header = _fields(index, rows.pop(b"", b""))
    num_shards = _number(header, 1)
    if not 0 < num_shards <= _MAX_SHARDS or _number(header, 2) != 0:
        raise _damaged(index, say("its header says no number of files, or another byte order"))
    stem = index.name.removesuffix(SUFFIX)
    shards = [
        inside(index.parent, f"{stem}.data-{i:05d}-of-{num_shards:05d}", listed_in=index)
        for i in range(num_shards)
    ]
    found = {}
    for key, value in rows.items():
        name = _name(index, key)
        entry = _entry(index, name, _fields(index, value), [s.stat().st_size for s in shards])
        if entry is not None:
            file = shards[entry.shard]
            read = partial(_read, file, entry)
            found[name] = LazyTensor(entry.shape, entry.dtype, file.name, read)
    return found


class _Table:
    """A sorted table: an index of blocks, and blocks of keys and values."""

    def __init__(self, path: Path, data: bytes) -> None:
        self.path, self.data, self._left = path, data, len(data)

    def rows(self) -> Iterator[tuple[bytes, bytes]]:
        """Keys and values in order."""
        footer = self.data[-_FOOTER_BYTES:]
        if not footer.endswith(_MAGIC):
            raise _damaged(self.path, say("its last bytes are not those of one"))
        # First the place of a block that nobody needs, then that of the index.
        _, _, *place = _varints(self.path, footer[:-8], 4)
        for _, handle in self._block(*place):
            yield from self._block(*_varints(self.path, handle, 2))

    def _block(self, start: int, size: int) -> Iterator[tuple[bytes, bytes]]:
        end = start + size
        self._left -= size + _TRAILER_BYTES
        if end + _TRAILER_BYTES > len(self.data) - _FOOTER_BYTES or self._left < 0:
            raise _damaged(self.path, say("a block in it lies outside, or is there twice"))
        block, kind = self.data[start:end], self.data[end]
        if kind != 0:
            raise _damaged(self.path, say("it is compressed, which TensorFlow does not do"))
        told = int.from_bytes(self.data[end + 1 : end + _TRAILER_BYTES], "little")
        if told != _masked(_crc32c(self.data[start : end + 1])):
            raise _damaged(self.path, say("a block in it has another checksum"))
        num_restarts = int.from_bytes(block[-4:], "little")
        body = len(block) - 4 - 4 * num_restarts
        if body < 0:
            raise _damaged(self.path, say("a block in it is cut short"))
        return self._entries(block[:body])

    def _entries(self, block: bytes) -> Iterator[tuple[bytes, bytes]]:
        at, key = 0, b""
        while at < len(block):
            shared, at = _varint(self.path, block, at)
            own, at = _varint(self.path, block, at)
            size, at = _varint(self.path, block, at)
            if shared > len(key) or at + own + size > len(block) or own > _MAX_NAME_BYTES:
                raise _damaged(self.path, say("a block in it is cut short"))
            key = key[:shared] + block[at : at + own]
            yield key, block[at + own : at + own + size]
            at += own + size


def _varint(path: Path, data: bytes, at: int) -> tuple[int, int]:
    """A number of seven bits a byte, the lowest first; and where it ends."""
    value = 0
    for shift in range(0, 64, 7):
        if at >= len(data):
            break
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
    raise _damaged(path, say("a number in it has no end"))


def _varints(path: Path, data: bytes, count: int) -> list[int]:
    found, at = [], 0
    for _ in range(count):
        value, at = _varint(path, data, at)
        found.append(value)
    return found


def _fields(path: Path, message: bytes) -> _Fields:
    """A message's fields by number: whole numbers, and bytes."""
    found: _Fields = {}
    at = 0
    while at < len(message):
        tag, at = _varint(path, message, at)
        number, kind = tag >> 3, tag & 7
        value: int | bytes
        if kind == 0:
            value, at = _varint(path, message, at)
        elif kind in (1, 2, 5):
            size, at = _varint(path, message, at) if kind == 2 else ({1: 8, 5: 4}[kind], at)
            if at + size > len(message):
                raise _damaged(path, say("a message in it is cut short"))
            value, at = message[at : at + size], at + size
        else:
            raise _damaged(path, say("a message in it has a field of no known kind"))
        found.setdefault(number, []).append(value)
    return found


def _number(fields: _Fields, number: int) -> int:
    """A whole number; 0 where it is left out, as protocol buffers do."""
    value = fields.get(number, [0])[-1]
    return value if isinstance(value, int) else -1


def _entry(index: Path, name: str, fields: _Fields, sizes: list[int]) -> _Entry | None:
    """What an entry says of a tensor; None where it holds no numbers, as texts are."""
    if 7 in fields:
        raise _damaged(index, say("{name} is in slices, which Mason does not join", name=name))
    dtype = _DTYPES.get(_number(fields, 1))
    if dtype is None:
        return None
    shape = tuple(_shape(index, fields))
    shard, start, num_bytes = (_number(fields, number) for number in (3, 4, 5))
    if len(shape) > _MAX_DIMENSIONS or not all(0 < n < 2**40 for n in shape):
        raise _damaged(index, say("{name} has a shape that is none", name=name))
    if num_bytes != math.prod(shape) * dtype.itemsize:
        raise _damaged(index, say("{name} has more or fewer bytes than its shape", name=name))
    if not 0 <= shard < len(sizes) or start < 0 or start + num_bytes > sizes[shard]:
        raise _damaged(index, say("{name} lies outside its file of data", name=name))
    return _Entry(dtype, shape, shard, start, num_bytes)


def _shape(index: Path, fields: _Fields) -> Iterator[int]:
    for shape in fields.get(2, []):
        told = _fields(index, shape) if isinstance(shape, bytes) else {}
        for dimension in told.get(2, []):
            yield _number(_fields(index, dimension), 1) if isinstance(dimension, bytes) else -1


def _name(index: Path, key: bytes) -> str:
    try:
        return key.decode("utf-8")
    except UnicodeDecodeError:
        raise _damaged(index, say("a name in it is not UTF-8")) from None


def _read(file: Path, entry: _Entry) -> torch.Tensor:
    """The tensor's bytes alone, in memory of their own."""
    with file.open("rb") as data:
        data.seek(entry.start)
        held = bytearray(data.read(entry.num_bytes))
    return torch.frombuffer(held, dtype=entry.dtype).view(entry.shape)


@cache
def _remainders() -> list[int]:
    """Of each byte, by Castagnoli's polynomial, bits reversed."""
    found = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        found.append(value)
    return found


def _crc32c(data: bytes) -> int:
    table, value = _remainders(), 0xFFFFFFFF
    for byte in data:
        value = value >> 8 ^ table[(value ^ byte) & 255]
    return value ^ 0xFFFFFFFF


def _masked(checksum: int) -> int:
    """As LevelDB stores it, so that a checksum of checksums is none of zeros."""
    return ((checksum >> 15 | checksum << 17) + 0xA282EAD8) & 0xFFFFFFFF


def _damaged(index: Path, what: str) -> CheckpointError:
    return CheckpointError(
        "{file} is no index of a TensorFlow checkpoint that Mason can read: {what}; fetch the "
        "files again.",
        file=index,
        what=what,
    )
