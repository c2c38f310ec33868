"""A TensorFlow checkpoint written by hand, from the public descriptions of its two formats."""

import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np

Tensors = Mapping[str, np.ndarray]
TYPES = {"float32": 1, "float64": 2, "int32": 3, "int64": 9, "float16": 19}
MAGIC = struct.pack("<Q", 0xDB4775248B80FB57)


def varint(value: int) -> bytes:
    found = b""
    while value > 127:
        found += bytes([value & 127 | 128])
        value >>= 7
    return found + bytes([value])


def whole(number: int, value: int) -> bytes:
    """A field of a message that is a whole number."""
    return varint(number << 3) + varint(value) if value else b""


def held(number: int, value: bytes) -> bytes:
    """A field of a message that is bytes."""
    return varint(number << 3 | 2) + varint(len(value)) + value


def checksum(data: bytes) -> bytes:
    """CRC-32C bit by bit, masked."""
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ 0x82F63B78 * (value & 1)
    value ^= 0xFFFFFFFF
    return struct.pack("<I", ((value >> 15 | value << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def block(rows: list[tuple[bytes, bytes]], every: int = 16) -> bytes:
    """Keys that share the beginning of the one before, but for each ``every``-th."""
    body, restarts, before = b"", [], b""
    for number, (key, value) in enumerate(rows):
        shared = 0
        if number % every == 0:
            restarts.append(len(body))
        else:
            while shared < min(len(key), len(before)) and key[shared] == before[shared]:
                shared += 1
        body += varint(shared) + varint(len(key) - shared) + varint(len(value))
        body += key[shared:] + value
        before = key
    return body + struct.pack(f"<{len(restarts)}I", *restarts) + struct.pack("<I", len(restarts))


def table(rows: list[tuple[bytes, bytes]], per_block: int = 7) -> bytes:
    """A sorted table in blocks of a few rows."""
    data, handles = b"", []
    parts = [rows[i : i + per_block] for i in range(0, len(rows), per_block)]

    def put(content: bytes) -> bytes:
        nonlocal data
        handle = varint(len(data)) + varint(len(content))
        data += content + b"\0" + checksum(content + b"\0")
        return handle

    for part in parts:
        handles.append((part[-1][0], put(block(part))))
    footer = put(block([])) + put(block(handles, every=1))
    return data + footer.ljust(40, b"\0") + MAGIC


def entry(array: np.ndarray, **changes: int) -> bytes:
    told = {"dtype": TYPES[array.dtype.name], "shard": 0, "start": 0, "size": array.nbytes}
    told |= changes
    shape = b"".join(held(2, whole(1, n)) for n in array.shape)
    fields = whole(1, told["dtype"]) + held(2, shape) + whole(3, told["shard"])
    return fields + whole(4, told["start"]) + whole(5, told["size"])


def write_bundle(folder: Path, tensors: Tensors, stem: str = "bert_model.ckpt") -> Path:
    """The index of a checkpoint with these tensors; graph and all that TensorFlow adds left out."""
    rows, data = [(b"", whole(1, 1))], b""
    for name in sorted(tensors):
        rows.append((name.encode(), entry(tensors[name], start=len(data))))
        data += tensors[name].tobytes()
    (folder / f"{stem}.data-00000-of-00001").write_bytes(data)
    index = folder / f"{stem}.index"
    index.write_bytes(table(rows))
    return index
