"""Which file of a folder may be opened, and which one holds the weights."""

from pathlib import Path

from mason.errors import CheckpointError

SINGLE = "model.safetensors"
INDEX = "model.safetensors.index.json"
ROUNDED = "model.int8.safetensors"
"""Weights in 8 bits, which Mason alone reads; see ``rounded.py``."""
INT4_FILE = "model.int4.safetensors"
"""Weights in 4 bits, which Mason alone reads; see ``mason.models.few_bits``."""
INT8_FILE = "model.int8-weights.safetensors"
"""The same in 8 bits, of a model whose rows are not rounded."""
HELD = (INT4_FILE, INT8_FILE)
# Formats that run code when loaded, or that Mason has no reader for.
FOREIGN = (
    ".bin .pt .pth .pkl .pickle .ckpt .joblib .dill .h5 .hdf5 .keras .pb .msgpack .npz .npy"
).split()


def inside(folder: Path, name: str, listed_in: object = None) -> Path:
    """The file ``name`` right inside ``folder``; ``listed_in`` is where the name comes from.

    Raises:
        CheckpointError: the name leads elsewhere (separators, "..", NUL, a symbolic link out
            of the folder), or there is no regular file of that name.
    """
    if not name or name in (".", "..") or any(c in name for c in "/\\\0:"):
        raise CheckpointError(
            "{file} names {name}, which is not a plain file name in its own folder; do not use "
            "this model.",
            file=listed_in or folder,
            name=repr(name),
        )
    path = folder / name
    if not path.is_file():
        raise CheckpointError(
            "{file} is missing, or is not a regular file; fetch the model again.", file=path
        )
    if path.is_symlink() and not path.resolve().is_relative_to(_root(folder)):
        raise CheckpointError(
            "{file} is a symbolic link out of its folder; put the file itself there.", file=path
        )
    return path


def find_weights(folder: Path) -> Path:
    """The file in ``folder`` to read weights from: safetensors, GGUF, or the index of several.

    Raises:
        CheckpointError: there is none, or more than one to choose from.
    """
    names = sorted(p.name for p in folder.iterdir())
    found = [n for n in (SINGLE, INDEX, ROUNDED, *HELD) if n in names] or [
        n for n in names if n.endswith((".gguf", ".index"))
    ]
    if len(found) == 1:
        return inside(folder, found[0])
    if found:
        raise CheckpointError(
            "{folder} holds {first} and {second}; name the one to read, or delete the other.",
            folder=folder,
            first=found[0],
            second=found[1],
        )
    foreign = next((n for n in names if Path(n).suffix.lower() in FOREIGN), None)
    if foreign:
        raise foreign_format(folder / foreign)
    raise CheckpointError(
        "{folder} holds no weights: neither model.safetensors, nor an index of shards, nor a "
        ".gguf file; name a model's folder.",
        folder=folder,
    )


def foreign_format(path: Path) -> CheckpointError:
    """The refusal of a pickle or another format Mason does not open."""
    return CheckpointError(
        "{file}: Mason opens only safetensors and GGUF, for a file like this can run code when "
        "it is loaded; on a machine you can spare, load it with transformers and call "
        "save_pretrained, which writes safetensors.",
        file=path,
    )


def _root(folder: Path) -> Path:
    """Where a link may lead: the folder, or the blobs beside a hub cache's snapshot."""
    resolved = folder.resolve()
    if resolved.parent.name == "snapshots":
        return resolved.parent.parent
    return resolved
