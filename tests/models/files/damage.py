"""Hostile and damaged files, each written by one function into an empty folder."""

import json
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

CONFIG = {"model_type": "bert", "hidden_size": 5}
Write = Callable[[Path], None]


def safetensors(header: Any, data: bytes = b"", length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def entry(shape: Any = (3,), start: int = 0, end: int | None = None, dtype: Any = "F32") -> dict:
    size = 4 * (shape[0] if shape else 1)
    return {
        "dtype": dtype,
        "shape": list(shape),
        "data_offsets": [start, start + size if end is None else end],
    }


def model(content: bytes, config: Any = CONFIG) -> Write:
    """A folder with this ``model.safetensors``."""

    def write(folder: Path) -> None:
        (folder / "model.safetensors").write_bytes(content)
        text = config if isinstance(config, bytes) else json.dumps(config).encode()
        (folder / "config.json").write_bytes(text)

    return write


GOOD = safetensors({"w": entry()}, bytes(12))


def config(content: Any) -> Write:
    return model(GOOD, content)


def sharded(weight_map: Any, shards: dict[str, bytes]) -> Write:
    def write(folder: Path) -> None:
        (folder / "config.json").write_text(json.dumps(CONFIG))
        (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
        for name, content in shards.items():
            (folder / name).write_bytes(content)

    return write


def files(**contents: bytes) -> Write:
    """A folder with these files; ``__`` in a name stands for a dot."""

    def write(folder: Path) -> None:
        for name, content in contents.items():
            (folder / name.replace("__", ".")).write_bytes(content)

    return write


def link_out(folder: Path) -> None:
    outside = folder.parent / "outside.safetensors"
    outside.write_bytes(GOOD)
    (folder / "config.json").write_text(json.dumps(CONFIG))
    (folder / "model.safetensors").symlink_to(outside)


def link_in_index(folder: Path) -> None:
    sharded({"w": "a.safetensors"}, {})(folder)
    (folder.parent / "outside.safetensors").write_bytes(GOOD)
    (folder / "a.safetensors").symlink_to(folder.parent / "outside.safetensors")


def pipe(folder: Path) -> None:
    """A named pipe would block whoever opens it."""
    model(GOOD)(folder)
    (folder / "config.json").unlink()
    os.mkfifo(folder / "config.json")


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value.encode())) + value.encode()


def field(key: str, kind: int, value: bytes) -> bytes:
    return text(key) + struct.pack("<I", kind) + value


def tensor(name: str, dims: tuple[int, ...] = (5,), kind: int = 0, offset: int = 0) -> bytes:
    head = text(name) + struct.pack(f"<I{len(dims)}Q", len(dims), *dims)
    return head + struct.pack("<IQ", kind, offset)


def gguf(
    fields: tuple[bytes, ...] = (),
    tensors: tuple[bytes, ...] = (),
    *,
    data: int = 32,
    magic: bytes = b"GGUF",
    version: int = 3,
    num_fields: int | None = None,
    num_tensors: int | None = None,
) -> Write:
    """A folder with a GGUF file of these parts, and ``data`` bytes of tensors."""
    head = magic + struct.pack(
        "<IQQ",
        version,
        len(tensors) if num_tensors is None else num_tensors,
        len(fields) if num_fields is None else num_fields,
    )
    head += b"".join(fields + tensors)
    head += bytes(-len(head) % 32)
    return files(model__gguf=head + bytes(data))
