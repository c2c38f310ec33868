"""``manifest.json``: what a folder of Mason's holds, so that a damaged file is noticed."""

import hashlib
import platform
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from mason.errors import CheckpointError
from mason.models.files.config import json_bytes
from mason.models.files.folders import inside
from mason.models.files.strict_json import read_json

MANIFEST = "manifest.json"
_FORMAT = "mason-manifest-1"
_BLANK = "0" * 64
"""Stands for the manifest's own checksum while that is computed."""
_PACKAGES = ("mason-lm", "torch", "tokenizers", "safetensors")


def write_manifest(folder: Path, kind: str, made_from: Mapping[str, object]) -> None:
    """List every file under ``folder`` with its size and SHA-256.

    Args:
        folder: a finished folder.
        kind: what the folder is: "model", "checkpoint", "adapter", …
        made_from: what it was made from: the base model, the data, the recipe.
    """
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p != folder / MANIFEST)
    manifest = {
        "format": _FORMAT,
        "kind": kind,
        "versions": _versions(),
        "made_from": dict(made_from),
        "files": {
            file.relative_to(folder).as_posix(): {
                "bytes": file.stat().st_size,
                "sha256": _sha256(file),
            }
            for file in files
        },
        "sha256": _BLANK,
    }
    text = json_bytes(manifest)
    (folder / MANIFEST).write_bytes(text.replace(_BLANK.encode(), _seal(text).encode()))


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of ``folder``.

    Raises:
        CheckpointError: there is none, or it is not one that Mason wrote.
    """
    path = inside(folder, MANIFEST)
    manifest = read_json(path)
    if manifest.get("format") != _FORMAT or not isinstance(manifest.get("files"), dict):
        raise CheckpointError(
            "{file} is not a manifest of Mason's; delete it if another program wrote it.",
            file=path,
        )
    return manifest


def is_ours(folder: Path) -> bool:
    """Whether Mason wrote ``folder``."""
    try:
        read_manifest(folder)
    except CheckpointError:
        return False
    return True


def verify_manifest(folder: Path, chosen: Callable[[str], bool] = lambda name: True) -> None:
    """Compare the files that ``folder``'s manifest lists with what it says of them.

    Args:
        folder: one that Mason wrote.
        chosen: which of them, by their path under ``folder``; all if left out.

    Raises:
        CheckpointError: the manifest is not readable, or it names a file that is missing or
            has changed.
    """
    manifest = read_manifest(folder)
    text, seal = (folder / MANIFEST).read_bytes(), str(manifest.get("sha256", ""))
    if seal != _seal(text.replace(seal.encode(), _BLANK.encode())):
        raise _changed(folder / MANIFEST)
    for name, wanted in manifest["files"].items():
        if not chosen(name):
            continue
        *parents, last = name.split("/")
        path = folder
        for parent in parents:
            path = path / parent
            if parent in ("", ".", "..") or path.is_symlink():
                raise _changed(folder / name)
        path = inside(path, last, listed_in=folder / MANIFEST)
        if wanted != {"bytes": path.stat().st_size, "sha256": _sha256(path)}:
            raise _changed(path)


def _changed(path: Path) -> CheckpointError:
    return CheckpointError(
        "{file} is not the file that was written: its size or checksum is not the one in "
        "manifest.json; copy it again from where it came.",
        file=path,
    )


def _seal(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:  # run from a source tree that is not installed
            continue
    return found
