"""Writing a folder so that a reader finds all of it or none of it.

Everything goes to a hidden folder beside the target, is flushed to the disk, is listed in a
manifest, and takes the target's name in one step; a process killed at any moment leaves the
old folder, or none, or the new one.
"""

import ctypes
import fcntl
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from mason.errors import CheckpointError
from mason.models.files.config import write_json
from mason.models.files.manifest import MANIFEST, is_ours, read_manifest, write_manifest

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_CLAIM = ".claim-"
"""Begins the names of folders in which a manifest is made ready."""


@contextmanager
def writing_folder(
    path: Path, *, kind: str, made_from: Mapping[str, object] | None = None
) -> Iterator[Path]:
    """Give a folder to write into; it becomes ``path`` when the block ends without an error.

    Args:
        path: the folder to make. An existing one is replaced if it is empty or Mason's own.
        kind: what the folder is, for its manifest: "model", "checkpoint", "adapter", …
        made_from: what it was made from, for its manifest.

    Yields:
        The folder to write into.

    Raises:
        CheckpointError: ``path`` is a file, a folder that somebody else filled, or lies where
            nothing can be written.
    """
    path = Path(os.path.abspath(path))
    _check_target(path)
    draft = path.with_name(f".{path.name}.writing-{uuid.uuid4().hex[:8]}")
    try:
        make_folder(path.parent)
        _remove_leftovers(path)
        draft.mkdir()
    except OSError as error:
        raise CheckpointError(
            "{path} cannot be written ({reason}); choose another place.",
            path=path,
            reason=error.strerror or error,
        ) from error
    lock = os.open(draft, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield draft
        write_manifest(draft, kind, made_from or {})
        _flush(draft)
        _check_target(path)
        _put_in_place(draft, path)
        sync(path.parent)
    finally:
        # After the exchange the draft's name holds the folder that was replaced.
        shutil.rmtree(draft, ignore_errors=True)
        os.close(lock)


def claim_folder(path: Path, *, kind: str) -> None:
    """Make ``path`` a folder of Mason's, empty but for its manifest, unless it is one already.

    Several processes may do it at once, and be killed while they do.

    Raises:
        CheckpointError: it is a file, or holds files that Mason did not write.
        OSError: it cannot be made.
    """
    _check_target(path)
    make_folder(path)
    if (path / MANIFEST).exists():
        return
    draft = path / f"{_CLAIM}{uuid.uuid4().hex[:8]}"
    draft.mkdir()
    try:
        write_manifest(draft, kind, {})
        sync(draft / MANIFEST)
        (draft / MANIFEST).rename(path / MANIFEST)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    sync(path)


def make_folder(path: Path) -> None:
    """Make a folder and those it lies in, each safe from a power cut.

    Raises:
        OSError: it cannot be made.
    """
    if not path.is_dir():
        make_folder(path.parent)
        path.mkdir(exist_ok=True)
        sync(path.parent)


def release_folder(path: Path) -> None:
    """Undo `claim_folder`: remove ``path`` if nothing but an empty manifest is in it."""
    try:
        if [p.name for p in path.iterdir()] == [MANIFEST] and not read_manifest(path)["files"]:
            shutil.rmtree(path)
    except (OSError, CheckpointError):
        return


def write_json_durably(path: Path, value: object) -> None:
    """Write ``value`` so that ``path`` holds all of it or what was there before."""
    draft = path.with_name(f".{path.name}.writing")
    write_json(draft, value)
    sync(draft)
    draft.rename(path)
    sync(path.parent)


def sync(path: Path) -> None:
    """Put a file's bytes, or a folder's names, on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _check_target(path: Path) -> None:
    if path.is_symlink() or (path.exists() and not path.is_dir()):
        raise CheckpointError(
            "{path} is a file or a link, not a folder to write to; choose another name.",
            path=path,
        )
    theirs = path.is_dir() and any(not p.name.startswith(_CLAIM) for p in path.iterdir())
    if theirs and not is_ours(path):
        raise CheckpointError(
            "{path} holds files that Mason did not write; choose another folder, or empty it.",
            path=path,
        )


def _remove_leftovers(path: Path) -> None:
    """Delete drafts of ``path`` whose writer was killed: their lock is free."""
    for draft in list(path.parent.iterdir()):
        if not draft.name.startswith(f".{path.name}.writing-"):
            continue
        descriptor = os.open(draft, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(draft, ignore_errors=True)
        except BlockingIOError:
            continue
        finally:
            os.close(descriptor)


def _flush(folder: Path) -> None:
    """Put every file and folder under ``folder`` on the disk, innermost first."""
    for parent, _, names in os.walk(folder, topdown=False):
        for name in names:
            file = Path(parent, name)
            # Some libraries create files only their owner may read; follow the folder instead.
            file.chmod(folder.stat().st_mode & 0o666)
            sync(file)
        sync(Path(parent))


def _put_in_place(draft: Path, path: Path) -> None:
    """Give ``draft`` the name ``path``; where both exist, they exchange names."""
    if not path.exists() or not any(path.iterdir()):
        draft.rename(path)  # POSIX lets a folder take the place of an empty one
    elif not _exchange(draft, path):
        # No exchange on this system: two renames, and the first is undone if the second fails.
        aside = path.with_name(f".{path.name}.replaced-{uuid.uuid4().hex[:8]}")
        path.rename(aside)
        try:
            draft.rename(path)
        except OSError:
            aside.rename(path)
            raise
        shutil.rmtree(aside)


def _exchange(first: Path, second: Path) -> bool:
    """Let two folders exchange names in one step (Linux's renameat2); False where it cannot."""
    renameat2 = getattr(ctypes.CDLL(None), "renameat2", None)
    if renameat2 is None:
        return False
    names = (_AT_FDCWD, os.fsencode(first), _AT_FDCWD, os.fsencode(second))
    return bool(renameat2(*names, _RENAME_EXCHANGE) == 0)
