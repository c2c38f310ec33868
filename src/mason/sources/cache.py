"""Mason's own cache: one folder an entry, complete or absent, checked when it is reused.

An entry is ``source.json`` (where it came from, and every file's size and SHA-256)
beside ``files/``. It is filled under a temporary name and renamed once, so an
interrupted fetch leaves nothing that looks finished.
"""

import hashlib
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from mason.errors import SourceError
from mason.language import say

HASHED_BYTES = 1 << 30
"""Entries up to this many bytes are hashed on every reuse; larger ones only compared by size."""

logger = logging.getLogger("mason.sources")


def cache_folder() -> Path:
    """The cache: ``MASON_CACHE``, else ``mason`` in ``XDG_CACHE_HOME`` or ``~/.cache``."""
    if named := os.environ.get("MASON_CACHE"):
        return Path(named).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mason"


def entry(
    kind: str, name: str, origin: Mapping[str, str], fill: Callable[[Path], Mapping[str, str]]
) -> Path:
    """The ``files`` folder of a cache entry, filled by ``fill`` when absent or damaged.

    Args:
        kind: the shelf, such as ``packages``.
        name: the entry's folder name on that shelf.
        origin: what the entry must have come from; written to ``source.json``.
        fill: puts the files into the empty folder it is given, and returns what more
            there is to say of their origin, such as the archive's SHA-256.

    Raises:
        SourceError: the cache cannot be written, or whatever ``fill`` raises.
    """
    place = cache_folder() / kind / name
    if _intact(place, origin):
        return place / "files"
    if place.exists():
        logger.warning(say("{folder} is damaged; it is fetched again.", folder=place))
    temporary = _temporary_folder(place)
    try:
        (temporary / "files").mkdir()
        found = fill(temporary / "files")
        record = {**origin, **found, "files": _inventory(temporary / "files")}
        (temporary / "source.json").write_text(json.dumps(record, indent=1), encoding="utf-8")
        _publish(temporary, place, origin)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return place / "files"


def sha256(file: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _temporary_folder(place: Path) -> Path:
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=".new-", dir=place.parent))
    except OSError as error:
        raise SourceError(
            "The cache {folder} cannot be written ({reason}); free or permit it, or point "
            "MASON_CACHE at another folder.",
            folder=place.parent,
            reason=error.strerror,
        ) from error


def _publish(temporary: Path, place: Path, origin: Mapping[str, str]) -> None:
    """Rename into place; a process that finished the same entry first is as good."""
    if _intact(place, origin):
        return
    if place.exists():
        os.replace(place, temporary / "damaged")
    try:
        os.replace(temporary, place)
    except OSError:
        if not _intact(place, origin):
            raise
    shutil.rmtree(place / "damaged", ignore_errors=True)


def _inventory(folder: Path) -> dict[str, dict[str, str | int]]:
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return {
        file.relative_to(folder).as_posix(): {"bytes": file.stat().st_size, "sha256": sha256(file)}
        for file in files
    }


def _intact(place: Path, origin: Mapping[str, str]) -> bool:
    """Whether the entry comes from ``origin`` and its files are those it was filled with."""
    try:
        record = json.loads((place / "source.json").read_text(encoding="utf-8"))
        if any(record[key] != value for key, value in origin.items()):
            return False
        listed = {place / "files" / name: facts for name, facts in record["files"].items()}
        small = sum(facts["bytes"] for facts in listed.values()) <= HASHED_BYTES
        return all(
            file.stat().st_size == facts["bytes"] and (not small or sha256(file) == facts["sha256"])
            for file, facts in listed.items()
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False
